"""Published beside measured, as a terminal and as Markdown show it, a table per publication's table."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isnan

from rich.console import Group, RenderableType
from rich.table import Table as Grid
from rich.text import Text

from ..core import plugins, specs
from ..core.formatting import plural
from ..core.plugins import METRIC
from ..show.terminal import NAMES
from ..stats.aggregates import SHORT
from .published import Beside, Entry, entries

HEADS = ("method", "metric", "published", "measured", "difference", "allowed", "within?")
MADE = (
    "allowed: how far apart two samples of these sizes may be, 1.96 times the root of both squared standard errors, or half a "
    "printed digit; the publication's error is estimated from our deviation per image. Where "
    "nothing differs, one number in twenty is outside by chance.",
    "Whose images a folder holds is told by the names of its class folders alone.",
)
IMAGES = {
    "same": "the same class folders",
    "other": "other images",
    "unknown": "whether these are among its images is not known",
}


def text(found: Sequence[Beside]) -> Group:
    """As a terminal of 80 columns shows it."""
    parts: list[RenderableType] = []
    for entry, own in by_entry(found):
        parts += [Text(title(entry, own), style="bold"), Text(entry.source, style="dim"), _grid(own)]
        parts += [Text(note, style="dim") for note in remarks(entry)]
    return Group(*parts, Text(summary(found)), *(Text(line, style="dim") for line in MADE))


def markdown(found: Sequence[Beside]) -> str:
    """As a file shows it."""
    lines = ["# Published beside measured", "", summary(found)]
    for entry, own in by_entry(found):
        lines += ["", f"## {title(entry, own)}", "", f"{entry.source}", ""]
        lines += [_line(HEADS), _line(["---", "---", *["---:"] * 4, "---"])]
        lines += [_line([f"`{cells[0]}`", *cells[1:]]) for cells in map(cells_of, own)]
        lines += ["", *remarks(entry)] if remarks(entry) else []
    return "\n".join([*lines, "", *(f"- {line}" for line in MADE)]) + "\n"


def title(entry: Entry, own: Sequence[Beside]) -> str:
    """Which net and protocol, and over how many images: ours, and the publication's."""
    ours = plural(max(one.ours.n for one in own), "image")
    theirs = f"{entry.images or 'an unknown number'} of {entry.data} published"
    return f"{entry.spec} by {entry.protocol}: {ours} here, {theirs} ({IMAGES[own[0].images]})"


def cells_of(one: Beside) -> list[str]:
    """A line of a table, under HEADS."""
    row, digits = one.row, one.row.digits
    allowed = "-" if isnan(one.allowed) else digit(one.allowed, digits)
    shown = [
        digit(float(row.value), digits),
        digit(one.ours.value, digits),
        digit(one.difference, digits, "+"),
        allowed,
    ]
    return [row.method, one.short, *shown, verdict(one)]


def verdict(one: Beside) -> str:
    """Yes or no, or why neither."""
    if one.images == "other":
        return "other images"
    return {True: "yes", False: "no", None: "-"}[one.within]


def digit(value: float, digits: int, sign: str = "") -> str:
    """With as many digits as are printed, and no zero before the point: .187, -.020."""
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{value:{sign}.{digits}f}")


def remarks(entry: Entry) -> list[str]:
    return [line for line in (entry.why_not, entry.needs, entry.note) if line]


def summary(found: Sequence[Beside]) -> str:
    """How many published numbers are within the interval."""
    said = [one.within for one in found]
    other = sum(one.images == "other" for one in found)
    parts = [f"Of {plural(len(found), 'published number')}, {said.count(True)} within the interval"]
    parts += [f"{said.count(False)} outside"]
    parts += [f"{other} on other images"] if other else []
    parts += [f"{rest} not to be compared"] if (rest := said.count(None) - other) else []
    return ", ".join(parts) + "."


def listing() -> Group:
    """The published tables, as they are printed but for the unit."""
    parts: list[RenderableType] = []
    for entry in entries():
        images = f", {entry.images} images" if entry.images else ""
        protocol = f" by {entry.protocol}" if entry.protocol else ""
        parts.append(Text(f"{entry.spec}{protocol}; {entry.data}{images}", style="bold"))
        parts.append(Text(f"{entry.source}. {entry.why_not or entry.needs or 'Measured by bench run published.'}"))
        parts += [_printed(entry), Text()]
    return Group(*parts[:-1])


def _printed(entry: Entry) -> Grid:
    grid = Grid(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column("method", width=NAMES, overflow="fold")
    for metric in entry.metrics:
        grid.add_column(_head(metric), justify="right", no_wrap=True)
    for method, values in entry.values.items():
        cells = ["" if value.is_nan() else str(value).removeprefix("0") for value in values]
        grid.add_row(*map(Text, [method, *cells]))
    return grid


def _head(metric: str) -> Text:
    asked = specs.parse("metric", metric)
    if asked.name in SHORT:
        return Text("\n".join([SHORT[asked.name], *(f"{key} {value}" for key, value in asked.chosen.items())]))
    return Text(plugins.find(METRIC, metric).module.SHORT)


def by_entry(found: Sequence[Beside]) -> Iterator[tuple[Entry, list[Beside]]]:
    for _, own in groupby(found, key=lambda one: id(one.row.entry)):
        group = list(own)
        yield group[0].row.entry, group


def _grid(own: Sequence[Beside]) -> Grid:
    grid = Grid(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column(HEADS[0], width=NAMES, overflow="fold")
    for head in HEADS[1:]:
        grid.add_column(head, justify="left" if head in ("metric", "within?") else "right", no_wrap=True)
    before = ""
    for cells in map(cells_of, own):
        grid.add_row(*(Text(cell) for cell in ["" if cells[0] == before else cells[0], *cells[1:]]))
        before = cells[0]
    return grid


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
