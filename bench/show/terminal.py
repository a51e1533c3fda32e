"""The comparison of methods on a net, as a terminal shows it."""

from collections.abc import Callable
from math import isnan

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from ..core.formatting import number, plural
from ..stats.summary import Cost, Metric, Table, table
from ..store.run import Run

WIDTH = 80
MEGABYTE = 1e6
NAMES = 17  # the widest column of method names: longer ones take two lines

Column = tuple[Text, Callable[[str], list[Text]]]  # its head, and a method's cell with, of a score, the interval's ends
ENDS = (Text("  low", style="dim"), Text("  high", style="dim"))


def comparison(run: Run, net: str, width: int = WIDTH) -> Group:
    """A row per method, a column per metric: the mean and below it its 95 % interval's ends; then cost, reasons, accuracy."""
    shown = table(run, net)
    if not shown.images:
        return Group(Text(f"{net}: no image is complete yet"))
    parts: list[RenderableType] = [Text(_title(shown), style="bold")]
    parts += [_grid(shown, columns) for columns in _split(shown, width)]
    parts += [Padding(Text(note, style="dim"), (0, 0, 0, 1), expand=False) for note in notes(shown)]
    return Group(*parts, Text(f"{net}: {shown.accuracy}"))


def notes(shown: Table) -> list[str]:
    """What the cells leave unsaid: why there is no score, which means are of fewer images, and which maps say nothing."""
    flat = [f"{method}: {plural(count, 'map')} constant, saying nothing" for method, count in shown.constant.items()]
    nan = [
        f"{method}: {plural(count, 'map')} not finite (NaN or infinite), scored as constant"
        for method, count in shown.broken.items()
    ]
    return _protocol(shown) + _absent(shown) + _fewer(shown) + flat + nan


def _protocol(shown: Table) -> list[str]:
    """Its name, where one that is not the default made all scores: the heads are too short for it."""
    found = {metric.spec.partition("@")[2] for metric in shown.metrics}
    return [f"protocol {name}" for name in found if name and len(found) == 1]


def _absent(shown: Table) -> list[str]:
    """By reason, the methods and, where it is not all of them, the metrics without a score."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for method in shown.methods:
        for metric in shown.metrics:
            if reason := shown.entry(method, metric).reason:
                methods, heads = found.setdefault(reason, ({}, {}))
                methods[method] = heads[metric.short] = None
    lines = []
    for reason, (methods, heads) in found.items():
        who = "every method" if len(methods) == len(shown.methods) else ", ".join(methods)
        where = "" if len(heads) == len(shown.metrics) else f" on {', '.join(heads)}"
        lines.append(f"n/a, {who}{where}: {reason}")
    return lines


def _fewer(shown: Table) -> list[str]:
    said: dict[str, list[str]] = {}
    for metric in shown.metrics:
        found = [entry for method in shown.methods if (entry := shown.entry(method, metric)).estimate.n]
        least = min(found, key=lambda entry: entry.estimate.n, default=None)
        if least and least.estimate.n < shown.images:
            why = "; ".join(least.reasons) or "no result yet"
            said.setdefault(f"{least.estimate.n} of {shown.images} images ({why})", []).append(metric.short)
    return [f"{', '.join(heads)}: over {note}" for note, heads in said.items()]


def _title(shown: Table) -> str:
    images = plural(shown.planned, "image")
    done = f"{shown.images} of {images}" if shown.images < shown.planned else images
    interval = " and its 95 % interval" if shown.images > 1 else ", no interval"
    return f"{shown.net}, {shown.layer}: {done}, {shown.precision}; mean{interval}"


def _split(shown: Table, width: int) -> list[list[Column]]:
    """The columns in as many tables as it takes, those of cost together: none is wider than the terminal."""
    room = width - _names(shown)
    parts: list[list[Column]] = [[]]
    for block in [*([_metric(shown, metric)] for metric in shown.metrics), _costs(shown)]:
        if parts[-1] and sum(_width(shown, one) + 1 for one in [*parts[-1], *block]) > room:
            parts.append([])
        parts[-1] += block
    return parts


def _width(shown: Table, column: Column) -> int:
    texts = [column[0], *(text for method in shown.methods for text in column[1](method))]
    return max(len(line) for text in texts for line in text.plain.split("\n"))


def _names(shown: Table) -> int:
    return min(NAMES, max(map(len, [*shown.methods, "method"])))


def _grid(shown: Table, columns: list[Column]) -> Grid:
    grid = Grid(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column(Text("method"), width=_names(shown), overflow="fold")
    for head, _ in columns:
        grid.add_column(head, justify="right", no_wrap=True)
    for method in shown.methods:
        cells = [cell(method) for _, cell in columns]
        for row, name in enumerate([Text(method), *ENDS][: max(map(len, cells))]):
            grid.add_row(name, *(cell[row] if row < len(cell) else "" for cell in cells))
    return grid


def _metric(shown: Table, metric: Metric) -> Column:
    best = shown.best(metric)

    def cell(method: str) -> list[Text]:
        entry = shown.entry(method, metric)
        if entry.reason:
            return [Text("n/a", style="dim")]
        average, low, high, _ = entry.estimate
        ends = [] if isnan(low) else [Text(number(end), style="dim") for end in (low, high)]
        return [Text(number(average), style="bold" if method in best else ""), *ends]

    short, at, protocol = metric.short.partition("@")
    return Text("\n".join([short, *([at + protocol] if at else []), metric.arrow])), cell


def _costs(shown: Table) -> list[Column]:
    heads: dict[str, Callable[[Cost], str]] = {
        "s per\nimage": lambda cost: brief(cost.seconds),
        "for-\nwards": lambda cost: brief(cost.forwards),
        "peak\nMB": lambda cost: brief(cost.peak_bytes / MEGABYTE),
    }

    def column(head: str, show: Callable[[Cost], str]) -> Column:
        return Text(head), lambda method: [Text(show(shown.costs[method]) if method in shown.costs else "n/a")]

    return [column(head, show) for head, show in heads.items()]


def brief(value: float) -> str:
    """A cost in five characters: as a score, but with fewer digits where it is small: .0021, 2e-05."""
    if value == 0 or isnan(value):
        return "0" if value == 0 else "-"
    if value < 1e-4:
        return f"{value:.0e}"
    return f"{value:#.2g}".replace("0.", ".", 1) if value < 0.1 else number(value)
