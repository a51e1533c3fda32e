"""Comparisons and histories in the terminal."""

from collections.abc import Container, Sequence
from dataclasses import replace
from itertools import groupby
from math import isnan

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ..core.formatting import MEGABYTE, format_count
from ..core.slack import ROUNDING
from .compare import Comparison, compare_snapshots, find_mismatch
from .history import HistoryEntry, Series
from .snapshot import Snapshot
from .summary import (
    ChangeRow,
    count_verdicts,
    describe_worst_change,
    format_figure,
    format_label,
    list_advice,
    list_changes,
    list_notes,
    write_headline,
    write_sentences,
)
from .verdicts import FAILING

STYLES = {"better": "green", "fixed": "green", "unclear": "yellow", "new": "dim"} | dict.fromkeys(FAILING, "bold red")
METRIC = 15  # the widest column of metrics
BLOCKS = "▁▂▃▄▅▆▇█"
OTHER_IMAGES = (
    "The runs have different images: a mean is over the images of its run, a change over those that two runs share."
)
RUNS = 24  # at most, in a line of blocks: the last ones


def show_comparison(comparison: Comparison) -> Group:
    """Show the changed numbers by net and method, sentences on the other verdicts, notes and advice."""
    headline = Text(write_headline(comparison), style="bold red" if comparison.failed else "bold")
    parts: list[RenderableType] = [headline, Text(f"{comparison.base.name} → {comparison.new.name}", style="bold")]
    if changed := list_changes(comparison):
        parts += [Text(), _make_grid(changed)]
    parts += [Text()] if changed or write_sentences(comparison) else []
    for verdict, sentence in write_sentences(comparison):
        parts.append(Text.assemble((verdict, STYLES[verdict]), f"  {sentence}"))
    for note in (*list_notes(comparison), *list_advice(comparison)):
        parts.append(Padding(Text(note, style="dim"), (0, 0, 0, 1), expand=False))
    return Group(*parts)


def _make_grid(changed: list[ChangeRow]) -> RichTable:
    grid = RichTable(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    grid.add_column(Text("verdict"))
    grid.add_column(Text("metric"), max_width=METRIC, overflow="fold")
    for head in ("base", "new", "change", "95 % interval", "p (Holm)"):
        grid.add_column(Text(head), justify="right", no_wrap=True)
    for (net, method), group in groupby(changed, key=lambda row: row.result.key[:2]):
        grid.add_section()
        grid.add_row(Text(net, style="bold"), Text(method, style="bold"))
        for row in group:
            verdict = row.result.verdict
            texts = (format_label(row.result), row.base, row.new, row.change, row.interval, row.p)
            grid.add_row(Text(verdict, style=STYLES[verdict]), *map(Text, texts))
    return grid


def show_history(runs: Sequence[Snapshot], history: Sequence[Series]) -> Group:
    """Show what changed between the last two runs, then the course of each metric over all runs.

    For each metric these are its first and last mean, its course, and the runs at which it changed. What has neither a mean nor
    a change, such as the verdict on a method's metrics together where nothing changed, is left out.
    """
    history = [series for series in history if any(entry.changes or not isnan(entry.mean) for entry in series.entries)]
    names = [Text(f"{number}  {run.name}", style="dim") for number, run in enumerate(runs, 1)]
    changes = sum(entry.changes for series in history for entry in series.entries)
    head = Text(
        f"{format_count(len(history), 'number')} over {format_count(len(runs), 'run')}: {format_count(changes, 'change')}",
        style="bold",
    )
    parts: list[RenderableType] = [
        Text(_describe_last_run(runs, {series.key[2] for series in history}), style="bold"),
        head,
        *names,
    ]
    for (net, method), group in groupby(history, key=lambda series: series.key[:2]):
        parts += [Text(), Text(f"{net}, {method}", style="bold"), _make_history_grid(list(group), len(runs))]
    if len({frozenset(run.image_hashes.items()) for run in runs}) > 1:
        parts += [Text(), Text(OTHER_IMAGES, style="dim")]
    return Group(*parts)


def _describe_last_run(runs: Sequence[Snapshot], metrics: Container[str]) -> str:
    """Describe what changed between the last two runs, among these metrics and costs: first what is certain."""
    base, new = runs[-2:]
    place = f"Run {len(runs) - 1} → {len(runs)}"
    if mismatch := find_mismatch(base, new):
        return f"{place}: not comparable: {mismatch}"
    comparison = compare_snapshots(base, new)
    shown = tuple(result for result in comparison.results if result.key[2] in metrics)
    certain = tuple(result for result in shown if result.verdict != "unclear")
    comparison = replace(comparison, results=shown)
    worst = describe_worst_change(replace(comparison, results=certain)) or describe_worst_change(comparison)
    return f"{place}: {worst} ({count_verdicts(comparison)})" if worst else f"{place}: nothing changed"


def _make_history_grid(history: Sequence[Series], runs: int) -> RichTable:
    grid = RichTable(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    grid.add_column(Text("metric"), width=17, overflow="fold")
    grid.add_column(Text("first"), justify="right", no_wrap=True, width=7)
    grid.add_column(Text("course"), no_wrap=True)
    grid.add_column(Text("last"), justify="right", no_wrap=True, width=7)
    grid.add_column(Text("changes"), overflow="fold")
    for series in history:
        grid.add_row(*_make_history_row(series, runs))
    return grid


def _make_history_row(series: Series, runs: int) -> list[Text]:
    scale = MEGABYTE if series.key[2] == "peak_bytes" else 1
    name = {"peak_bytes": "peak MB"}.get(series.key[2], series.short)
    first, last = ("" if isnan(mean := series.entries[end].mean) else format_figure(mean / scale) for end in (0, -1))
    changes = [_format_change(entry, scale) for entry in series.entries if entry.changes]
    arrow = {"higher": " ↑", "lower": " ↓"}.get(series.better, "")
    return [Text(f"{name}{arrow}"), Text(first), Text(draw_course(series, runs)), Text(last), Text("\n").join(changes)]


def _format_change(entry: HistoryEntry, scale: float) -> Text:
    mean = "" if isnan(entry.mean) else f" ({format_figure(entry.mean / scale)})"
    return Text(f"{entry.verdict} at {entry.run + 1}{mean}", style=STYLES[entry.verdict])


def draw_course(series: Series, runs: int) -> str:
    """Draw a block for each run, scaled between the lowest and the highest mean, and a dot for a run without a value."""
    means = {entry.run: entry.mean for entry in series.entries if not isnan(entry.mean)}
    low, high = min(means.values(), default=0.0), max(means.values(), default=0.0)
    flat = high - low <= ROUNDING * max(abs(low), abs(high), 1)
    top = len(BLOCKS) - 1

    def block(run: int) -> str:
        if run not in means:
            return "·"
        return BLOCKS[top // 2 if flat else round((means[run] - low) / (high - low) * top)]

    return "".join(map(block, range(max(0, runs - RUNS), runs)))
