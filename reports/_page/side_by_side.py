"""The section "The runs": what differs between several runs, and their scores side by side where they are comparable."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from ...bench.store.comparability import difference, header_facts, image_difference, meaning
from ...bench.store.header import Header
from ...bench.store.run import Run
from .._tables.grid import Cell, Grid, Head, Row, estimate_cell, name_cell
from .analysis import NetAnalysis, label_runs
from .render import fill
from .section import Section

LONG = 60  # characters shown of a value
SHOWN_ELSEWHERE = ("name", "nets", "methods", "metrics", "images")  # keys of the suite
NAMES = ("classes", "images")  # long lists; the fingerprint of the data covers them
NOT_COMPARABLE = "not comparable"


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section | None:
    if len(runs) < 2:
        return None
    differences, scores = make_difference_table(runs), make_score_tables(analyses)
    html = fill("side_by_side.html", differences=differences, scores=scores)
    return Section("runs", "The runs", html, tables=[differences, *scores])


def make_difference_table(runs: Sequence[Run]) -> Grid:
    """A row for each fact that differs between the headers of the runs."""
    facts = [dict(_facts(run.header)) for run in runs]
    keys = list(dict.fromkeys(key for run_facts in facts for key in run_facts))
    rows = [
        Row([name_cell(key), *(Cell(run_facts.get(key, "–")) for run_facts in facts)])
        for key in keys
        if len({run_facts.get(key) for run_facts in facts}) > 1
    ]
    heads = [Head("what", row_header=True), *(Head(label) for label in label_runs(runs))]
    notes = [] if rows else ["The headers of these runs are the same."]
    return Grid("differences", "What differs between the runs", heads, rows, notes, "text")


def make_score_tables(analyses: Sequence[NetAnalysis]) -> list[Grid]:
    """For each net that several runs have: a row per method and metric, a column per run."""
    by_net: dict[str, list[NetAnalysis]] = {}
    for analysis in analyses:
        by_net.setdefault(analysis.table.net, []).append(analysis)
    return [_make_score_table(net, group) for net, group in by_net.items() if len(group) > 1]


def _make_score_table(net: str, group: list[NetAnalysis]) -> Grid:
    metrics = list(dict.fromkeys(spec for analysis in group for spec in analysis.by_metric))
    methods = list(dict.fromkeys(method for analysis in group for method in analysis.table.methods))
    rows = [
        Row(
            [name_cell(method), name_cell(metric), *_scores(group, method, metric)],
            {"method": method, "metric": metric},
        )
        for metric in metrics
        for method in methods
    ]
    columns = [Head(analysis.run_label, "mean, 95 % interval, n", number=True) for analysis in group]
    note = f"‘{NOT_COMPARABLE}’: with the first run that has this score, for the reason given. bench compare has the same rule."
    heads = [Head("method", row_header=True), Head("metric"), *columns]
    return Grid(f"side-by-side-{net}", f"Runs side by side on {net}", heads, rows, [note])


def _scores(group: list[NetAnalysis], method: str, metric: str) -> Iterator[Cell]:
    first = next((analysis for analysis in group if _has_score(analysis, method, metric)), None)
    for analysis in group:
        if first is None or not _has_score(analysis, method, metric):
            yield Cell("–", float("nan"))
        elif reason := _difference(first, analysis, method, metric):
            yield Cell(NOT_COMPARABLE, float("nan"), reason, css="none")
        else:
            cell = estimate_cell(analysis.table.mean_score(method, analysis.by_metric[metric].metric).estimate)
            count = f"n = {cell.estimate.n}" if cell.estimate else ""
            small = ", ".join(filter(None, (cell.small, count)))
            yield Cell(cell.text, cell.value, small, estimate=cell.estimate)


def _has_score(analysis: NetAnalysis, method: str, metric: str) -> bool:
    return metric in analysis.by_metric and method in analysis.table.methods


def _difference(first: NetAnalysis, analysis: NetAnalysis, method: str, metric: str) -> str | None:
    """Why the scores of two runs are not comparable; None if they are."""
    meanings = (meaning(side.run.header, side.table.net, method, metric) for side in (first, analysis))
    return difference(*meanings) or image_difference(first.pixels, analysis.pixels)


def _facts(header: Header) -> Iterator[tuple[str, str]]:
    """The facts that define the numbers of a run: names and values as text."""
    for part, facts in header_facts(header).items():
        for key, fact in facts.items():
            if part == "suite" and key in SHOWN_ELSEWHERE:
                continue
            if isinstance(fact, dict):
                settings = {field: value for field, value in fact.items() if field not in NAMES}
                yield from ((f"{part}: {key}: {field}", _shortened(value)) for field, value in settings.items())
            else:
                yield f"{part}: {key}", _shortened(fact)


def _shortened(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) <= LONG:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]  # differs where long texts do
    return f"{text[: LONG - 1]}… ({len(text)} characters, {digest})"
