"""The section "The runs": what differs between several runs, and their scores side by side where they are comparable."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_estimate_cell, make_name_cell
from ...bench.stats.estimate import Floats
from ...bench.stats.mean_scores import estimate_score
from ...bench.store.comparability import (
    NetImages,
    describe_meaning,
    find_difference,
    find_image_difference,
    find_shared_images,
    list_header_facts,
)
from ...bench.store.header import Header
from ...bench.store.run import Run
from .analysis import NetAnalysis, label_runs
from .render import fill
from .section import Section

LONG = 60  # characters shown of a value
SHOWN_ELSEWHERE = ("name", "nets", "methods", "metrics", "images")  # keys of the suite
NAMES = ("classes", "images")  # long lists; the fingerprint of the data covers them
NOT_COMPARABLE = "not comparable"
NOTE = (
    "Means are over the n images that the compared runs share (the same name, pixels and explained class) and score. "
    f"‘{NOT_COMPARABLE}’: with the runs to the left, for the reason given. bench compare has the same rule."
)

# By run, why it shares no image with those before it; and the images that the others share.
Shared = tuple[dict[str, str | None], frozenset[str]]


def make_section(runs: Sequence[Run], analyses: Sequence[NetAnalysis]) -> Section | None:
    """Return the differences and the scores of several runs; None for a single run."""
    if len(runs) < 2:
        return None
    differences, scores = make_difference_table(runs), make_score_tables(analyses)
    html = fill("side_by_side.html", differences=differences, scores=scores)
    return Section("runs", "The runs", html, tables=[differences, *scores])


def make_difference_table(runs: Sequence[Run]) -> Grid:
    """Return a row for each fact that differs between the headers of the runs."""
    facts = [dict(_list_facts(run.header)) for run in runs]
    keys = list(dict.fromkeys(key for run_facts in facts for key in run_facts))
    rows = [
        GridRow([make_name_cell(key), *(Cell(run_facts.get(key, "–")) for run_facts in facts)])
        for key in keys
        if len({run_facts.get(key) for run_facts in facts}) > 1
    ]
    heads = [ColumnHead("what", row_header=True), *(ColumnHead(label) for label in label_runs(runs))]
    notes = [] if rows else ["The headers of these runs are the same."]
    return Grid("differences", "What differs between the runs", heads, rows, notes, "text")


def make_score_tables(analyses: Sequence[NetAnalysis]) -> list[Grid]:
    """Make a table for each net that several runs have: a row per method and metric, a column per run."""
    by_net: dict[str, list[NetAnalysis]] = {}
    for analysis in analyses:
        by_net.setdefault(analysis.table.net, []).append(analysis)
    return [_make_score_table(net, group) for net, group in by_net.items() if len(group) > 1]


def _make_score_table(net: str, group: list[NetAnalysis]) -> Grid:
    metrics = list(dict.fromkeys(spec for analysis in group for spec in analysis.by_metric))
    methods = list(dict.fromkeys(method for analysis in group for method in analysis.table.methods))
    share = cache(lambda keys: _find_shared_images([analysis for analysis in group if analysis.key in keys]))
    rows = [
        GridRow(
            [make_name_cell(method), make_name_cell(metric), *_make_cells(group, method, metric, share)],
            {"method": method, "metric": metric},
        )
        for metric in metrics
        for method in methods
    ]
    columns = [ColumnHead(analysis.run_label, "mean, 95 % interval, n", number=True) for analysis in group]
    heads = [ColumnHead("method", row_header=True), ColumnHead("metric"), *columns]
    return Grid(f"side-by-side-{net}", f"Runs side by side on {net}", heads, rows, [NOTE])


def _make_cells(
    group: list[NetAnalysis], method: str, metric: str, share: Callable[[tuple[str, ...]], Shared]
) -> list[Cell]:
    """Make a cell for each run: its mean over the shared images, why it is not comparable, or a dash if it has no score."""
    scored = [analysis for analysis in group if metric in analysis.table.values and method in analysis.table.methods]
    reasons = {analysis.key: _find_meaning_difference(scored[0], analysis, method, metric) for analysis in scored}
    unshared, images = share(tuple(key for key, reason in reasons.items() if not reason))
    reasons |= unshared
    compared = [analysis for analysis in scored if not reasons[analysis.key]]
    means = {analysis.key: _make_mean_cell(analysis, metric, values)
             for analysis, values in zip(compared, _pair_values(compared, method, metric, images), strict=True)}  # fmt: skip
    return [means.get(analysis.key) or _make_empty_cell(reasons.get(analysis.key)) for analysis in group]


def _find_meaning_difference(first: NetAnalysis, analysis: NetAnalysis, method: str, metric: str) -> str | None:
    meanings = (describe_meaning(side.run.header, side.table.net, method, metric) for side in (first, analysis))
    return find_difference(*meanings)


def _find_shared_images(analyses: Sequence[NetAnalysis]) -> Shared:
    """Return why some analyses share no image, by their keys, and the names of the images that all others share."""
    unshared: dict[str, str | None] = {}
    shared = analyses[0].images if analyses else NetImages({}, {})
    for analysis in analyses[1:]:
        if reason := find_image_difference(shared, analysis.images):
            unshared[analysis.key] = reason
        else:
            shared = shared.select(set(find_shared_images(shared, analysis.images)))
    return unshared, frozenset(shared.hashes)


def _pair_values(analyses: Sequence[NetAnalysis], method: str, metric: str, images: frozenset[str]) -> list[Floats]:
    """Return the values (n,) of each run on the images for which all runs have one; none for a run that has no value at all."""
    columns = [analysis.table.values[metric][method].droplevel("dataset").dropna() for analysis in analyses]
    columns = [column[column.index.isin(images)] for column in columns]
    paired = images.intersection(*(column.index for column in columns if len(column)))
    return [column[column.index.isin(paired)].to_numpy() for column in columns]


def _make_mean_cell(analysis: NetAnalysis, metric: str, values: Floats) -> Cell:
    estimate = estimate_score(next(known for known in analysis.table.metrics if known.spec == metric), values)
    cell = make_estimate_cell(estimate)
    count = f"n = {estimate.n}" if estimate.n else ""
    small = ", ".join(filter(None, (cell.small, count)))
    return Cell(cell.text, cell.value, small, estimate=cell.estimate)


def _make_empty_cell(reason: str | None) -> Cell:
    return Cell(NOT_COMPARABLE, float("nan"), reason, css="none") if reason else Cell("–", float("nan"))


def _list_facts(header: Header) -> Iterator[tuple[str, str]]:
    """Yield the facts that define the numbers of a run: names and values as text."""
    for part, facts in list_header_facts(header).items():
        for key, fact in facts.items():
            if part == "suite" and key in SHOWN_ELSEWHERE:
                continue
            if isinstance(fact, dict):
                settings = {field: value for field, value in fact.items() if field not in NAMES}
                yield from ((f"{part}: {key}: {field}", _shorten(value)) for field, value in settings.items())
            else:
                yield f"{part}: {key}", _shorten(fact)


def _shorten(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) <= LONG:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]  # differs where long texts do
    return f"{text[: LONG - 1]}… ({len(text)} characters, {digest})"
