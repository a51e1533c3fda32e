"""The table of the methods on one net, for the terminal."""

from collections.abc import Callable
from math import isnan

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ..core.formatting import MEGABYTE, format_count, format_number
from ..core.specs import DEFAULT, split_protocol
from ..stats.mean_scores import Metric
from ..stats.notes import describe_gaps
from ..stats.summary import Cost, Table, build_table
from ..store.run import Run

WIDTH = 80
NAMES = 17  # the widest column of method names: longer names wrap

# The head of a column, and a function from a method to the lines of its cell: the mean and the ends of its interval, or a cost.
Column = tuple[Text, Callable[[str], list[Text]]]
ENDS = (Text("  low", style="dim"), Text("  high", style="dim"))


def show_methods(run: Run, net: str, width: int = WIDTH) -> Group:
    """Show a row per method and a column per metric: the mean, and below it the ends of its 95 % interval.

    The cost of each method, notes on missing scores and the accuracy of the net follow.
    """
    table = build_table(run, net)
    if not table.images:
        return Group(Text(f"{net}: no image is complete yet"))
    parts: list[RenderableType] = [Text(_format_title(table), style="bold")]
    parts += [_make_grid(table, columns) for columns in _split_columns(table, width)]
    parts += [Padding(Text(note, style="dim"), (0, 0, 0, 1), expand=False) for note in list_notes(table)]
    return Group(*parts, Text(f"{net}: {table.accuracy}"))


def list_notes(table: Table) -> list[str]:
    """List the notes below the table: the protocol, missing scores, means over fewer images, constant and non-finite maps."""
    gaps = describe_gaps(table, lambda metric: metric.short)
    return _describe_protocol(table) + _describe_missing_scores(table) + gaps


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


def _split_columns(table: Table, width: int) -> list[list[Column]]:
    """Distribute the columns over as many tables as fit into the width; the columns of cost stay together."""
    room = width - _measure_names(table)
    parts: list[list[Column]] = [[]]
    for block in [*([_make_metric_column(table, metric)] for metric in table.metrics), _make_cost_columns(table)]:
        if parts[-1] and sum(_measure_column(table, column) + 1 for column in [*parts[-1], *block]) > room:
            parts.append([])
        parts[-1] += block
    return parts


def _measure_column(table: Table, column: Column) -> int:
    texts = [column[0], *(text for method in table.methods for text in column[1](method))]
    return max(len(line) for text in texts for line in text.plain.split("\n"))


def _measure_names(table: Table) -> int:
    return min(NAMES, max(map(len, [*table.methods, "method"])))


def _make_grid(table: Table, columns: list[Column]) -> RichTable:
    grid = RichTable(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column(Text("method"), width=_measure_names(table), overflow="fold")
    for head, _ in columns:
        grid.add_column(head, justify="right", no_wrap=True)
    for method in table.methods:
        cells = [cell(method) for _, cell in columns]
        for line, name in enumerate([Text(method), *ENDS][: max(map(len, cells))]):
            grid.add_row(name, *(cell[line] if line < len(cell) else "" for cell in cells))
    return grid


def _make_metric_column(table: Table, metric: Metric) -> Column:
    best = table.find_best(metric)

    def cell(method: str) -> list[Text]:
        mean_score = table.find_mean_score(method, metric)
        if mean_score.reason:
            return [Text("n/a", style="dim")]
        average, low, high, _ = mean_score.estimate
        ends = [] if isnan(low) else [Text(format_number(end), style="dim") for end in (low, high)]
        return [Text(format_number(average), style="bold" if method in best else ""), *ends]

    short, protocol = split_protocol(metric.short)
    return Text("\n".join([short, *([] if protocol == DEFAULT else [f"@{protocol}"]), metric.arrow])), cell


def _make_cost_columns(table: Table) -> list[Column]:
    heads: dict[str, Callable[[Cost], str]] = {
        "s per\nimage": lambda cost: format_cost(cost.seconds),
        "for-\nwards": lambda cost: format_cost(cost.forwards),
        "peak\nMB": lambda cost: format_cost(cost.peak_bytes / MEGABYTE),
    }

    def make_column(head: str, show: Callable[[Cost], str]) -> Column:
        return Text(head), lambda method: [Text(show(table.costs[method]) if method in table.costs else "n/a")]

    return [make_column(head, show) for head, show in heads.items()]


def format_cost(value: float) -> str:
    """Format a cost in at most five characters: like a score, but with fewer digits if it is small: .0021, 2e-05."""
    if value == 0 or isnan(value):
        return "0" if value == 0 else "-"
    if value < 1e-4:
        return f"{value:.0e}"
    return f"{value:#.2g}".replace("0.", ".", 1) if value < 0.1 else format_number(value)
