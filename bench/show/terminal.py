"""The table of the methods on one net, for the terminal."""

from collections.abc import Iterable, Sequence
from itertools import chain
from math import isnan

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ..core.formatting import format_count, format_number
from ..core.specs import DEFAULT, split_protocol
from ..stats.notes import describe_means
from ..stats.summary import Table, build_table
from ..store.run import Run
from .grid import Cell, ColumnHead, Grid
from .score_table import COST, MISSING, make_score_table

WIDTH = 80
NAMES = 17  # the widest column of method names: longer names wrap

# A column of the grid: its head, and for each method the lines of its cell.
Column = tuple[Text, list[list[Text]]]
ENDS = (Text("  low", style="dim"), Text("  high", style="dim"))


def show_methods(run: Run, net: str, width: int = WIDTH) -> Group:
    """Show a row per method and a column per metric: the mean, and below it the ends of its 95 % interval.

    The cost of each method, notes on missing scores and the accuracy of the net follow.
    """
    table = build_table(run, net)
    if not table.images:
        return Group(Text(f"{net}: no image is complete yet"))
    parts: list[RenderableType] = [Text(_format_title(table), style="bold")]
    parts += [_make_grid(table.methods, columns) for columns in _split_columns(make_score_table(table, net), width)]
    parts += [Padding(Text(note, style="dim"), (0, 0, 0, 1), expand=False) for note in list_notes(table)]
    return Group(*parts, Text(f"{net}: {table.accuracy}"))


def list_notes(table: Table) -> list[str]:
    """List the notes below the table: the protocol, missing scores, ties, means over fewer images, constant maps."""
    means = describe_means(table, lambda metric: metric.short)
    return _describe_protocol(table) + _describe_missing_scores(table) + means


def _describe_protocol(table: Table) -> list[str]:
    """Name the protocol, if one other than the default made all scores; the heads have no room for it."""
    protocols = {split_protocol(metric.spec)[1] for metric in table.metrics}
    return [f"protocol {name}" for name in protocols if name != DEFAULT and len(protocols) == 1]


def _describe_missing_scores(table: Table) -> list[str]:
    """Write a note per reason: the methods without a score and, if only some metrics lack it, these metrics."""
    missing: dict[str, tuple[dict[str, None], dict[str, None]]] = {}  # methods and heads, in the order of the table
    for method in table.methods:
        for metric in table.metrics:
            if reason := table.find_mean_score(method, metric).reason:
                methods, heads = missing.setdefault(reason, ({}, {}))
                methods[method] = heads[metric.short] = None
    lines = []
    for reason, (methods, heads) in missing.items():
        methods_text = "every method" if len(methods) == len(table.methods) else ", ".join(methods)
        metrics_text = "" if len(heads) == len(table.metrics) else f" on {', '.join(heads)}"
        lines.append(f"n/a, {methods_text}{metrics_text}: {reason}")
    return lines


def _format_title(table: Table) -> str:
    images = format_count(table.planned, "image")
    progress = f"{table.images} of {images}" if table.images < table.planned else images
    interval = " and its 95 % interval" if table.images > 1 else ", no interval"
    return f"{table.net}, {table.layer}: {progress}, {table.precision}; mean{interval}"


def _split_columns(grid: Grid, width: int) -> list[list[Column]]:
    """Distribute the columns over as many tables as fit into the width; the columns of cost stay together."""
    room = width - _measure_names(row.cells[0].text for row in grid.rows)
    parts: list[list[Column]] = [[]]
    for block in _make_blocks(grid):
        if parts[-1] and sum(_measure_column(column) + 1 for column in [*parts[-1], *block]) > room:
            parts.append([])
        parts[-1] += block
    return parts


def _make_blocks(grid: Grid) -> list[list[Column]]:
    """Return the columns after the names of the methods: each metric is a block, and the costs are one."""
    metrics: list[list[Column]] = []
    costs: list[Column] = []
    for index, head in enumerate(grid.heads):
        if not head.short or head.row_header:
            continue
        column = Text(head.short), [_make_lines(row.cells[index], head) for row in grid.rows]
        if head.data == COST:
            costs.append(column)
        else:
            metrics.append([column])
    return [*metrics, costs]


def _make_lines(cell: Cell, head: ColumnHead) -> list[Text]:
    """Return the lines of a cell: its text and, of a mean, the ends of its interval. The reasons for n/a are notes."""
    if cell.css == MISSING:
        return [Text("n/a", style="dim" if head.data != COST else "")]
    ends = (cell.estimate.low, cell.estimate.high) if cell.estimate and not isnan(cell.estimate.low) else ()
    return [
        Text(cell.text, style="bold" if cell.bold else ""),
        *(Text(format_number(end), style="dim") for end in ends),
    ]


def _measure_column(column: Column) -> int:
    head, cells = column
    return max(len(line) for text in (head, *chain.from_iterable(cells)) for line in text.plain.split("\n"))


def _measure_names(methods: Iterable[str]) -> int:
    return min(NAMES, max(map(len, [*methods, "method"])))


def _make_grid(methods: Sequence[str], columns: list[Column]) -> RichTable:
    grid = RichTable(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column(Text("method"), width=_measure_names(methods), overflow="fold")
    for head, _ in columns:
        grid.add_column(head, justify="right", no_wrap=True)
    for row, method in enumerate(methods):
        cells = [cells[row] for _, cells in columns]
        for line, name in enumerate([Text(method), *ENDS][: max(map(len, cells))]):
            grid.add_row(name, *(cell[line] if line < len(cell) else "" for cell in cells))
    return grid
