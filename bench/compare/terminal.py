"""A comparison as a terminal shows it."""

from collections.abc import Sequence
from itertools import groupby
from math import isnan

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from ..core.formatting import plural
from ..core.tolerance import ROUNDING
from .compare import Comparison
from .history import Point, Series
from .snapshot import Recorded
from .summary import MEGABYTE, Row, advice, figure, headline, label, notes, rows, sentences
from .verdicts import FAILING

STYLES = {"better": "green", "fixed": "green", "unclear": "yellow", "new": "dim"} | dict.fromkeys(FAILING, "bold red")
METRIC = 15  # the widest column of metrics
BLOCKS = "▁▂▃▄▅▆▇█"
RUNS = 24  # that a line of blocks shows: the last ones


def show(comparison: Comparison) -> Group:
    """What changed, by net and method, with its evidence; then what is no number, notes, and what to do."""
    parts: list[RenderableType] = [Text(f"{comparison.base.name} → {comparison.new.name}", style="bold")]
    parts.append(Text(headline(comparison), style="bold red" if comparison.failed else "bold"))
    if changed := rows(comparison):
        parts += [Text(), _grid(changed)]
    parts += [Text()] if changed or sentences(comparison) else []
    for verdict, said in sentences(comparison):
        parts.append(Text.assemble((verdict, STYLES[verdict]), f"  {said}"))
    for note in (*notes(comparison), *advice(comparison)):
        parts.append(Padding(Text(note, style="dim"), (0, 0, 0, 1), expand=False))
    return Group(*parts)


def _grid(changed: list[Row]) -> Grid:
    grid = Grid(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    grid.add_column(Text("verdict"))
    grid.add_column(Text("metric"), max_width=METRIC, overflow="fold")
    for head in ("base", "new", "change", "95 % interval", "p"):
        grid.add_column(Text(head), justify="right", no_wrap=True)
    for (net, method), of in groupby(changed, key=lambda row: row.cell.key[:2]):
        grid.add_section()
        grid.add_row(Text(net, style="bold"), Text(method, style="bold"))
        for row in of:
            verdict = row.cell.verdict
            texts = (label(row.cell), row.base, row.new, row.change, row.interval, row.p)
            grid.add_row(Text(verdict, style=STYLES[verdict]), *map(Text, texts))
    return grid


def trend(runs: Sequence[Recorded], found: Sequence[Series]) -> Group:
    """The runs by number, then each metric's first and last mean, its course, and the runs at which it changed."""
    names = [Text(f"{place}  {run.name}", style="dim") for place, run in enumerate(runs, 1)]
    changes = sum(point.changes for series in found for point in series.points)
    head = Text(
        f"{plural(len(found), 'number')} over {plural(len(runs), 'run')}: {plural(changes, 'change')}", style="bold"
    )
    parts: list[RenderableType] = [head, *names]
    for (net, method), of in groupby(found, key=lambda series: series.key[:2]):
        parts += [Text(), Text(f"{net}, {method}", style="bold"), _trend_grid(list(of), len(runs))]
    return Group(*parts)


def _trend_grid(found: Sequence[Series], runs: int) -> Grid:
    grid = Grid(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    grid.add_column(Text("metric"), width=17, overflow="fold")
    grid.add_column(Text("first"), justify="right", no_wrap=True, width=7)
    grid.add_column(Text("course"), no_wrap=True)
    grid.add_column(Text("last"), justify="right", no_wrap=True, width=7)
    grid.add_column(Text("changes"), overflow="fold")
    for series in found:
        grid.add_row(*_trend_row(series, runs))
    return grid


def _trend_row(series: Series, runs: int) -> list[Text]:
    scale = MEGABYTE if series.key[2] == "peak_bytes" else 1
    name = {"peak_bytes": "peak MB"}.get(series.key[2], series.short)
    first, last = ("" if isnan(one := series.points[end].mean) else figure(one / scale) for end in (0, -1))
    said = [_changes_in_words(point, scale) for point in series.points if point.changes]
    arrow = {"higher": " ↑", "lower": " ↓"}.get(series.better, "")
    return [Text(f"{name}{arrow}"), Text(first), Text(course(series, runs)), Text(last), Text("\n").join(said)]


def _changes_in_words(point: Point, scale: float) -> Text:
    mean = "" if isnan(point.mean) else f" ({figure(point.mean / scale)})"
    return Text(f"{point.verdict} at {point.run + 1}{mean}", style=STYLES[point.verdict])


def course(series: Series, runs: int) -> str:
    """A block per run between the least and the most, a point where it has no value."""
    means = {point.run: point.mean for point in series.points if not isnan(point.mean)}
    low, high = min(means.values(), default=0.0), max(means.values(), default=0.0)
    flat = high - low <= ROUNDING * max(abs(low), abs(high), 1)
    top = len(BLOCKS) - 1

    def block(run: int) -> str:
        if run not in means:
            return "·"
        return BLOCKS[top // 2 if flat else round((means[run] - low) / (high - low) * top)]

    return "".join(map(block, range(max(0, runs - RUNS), runs)))
