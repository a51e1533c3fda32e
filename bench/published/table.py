"""Published and measured numbers as text for a terminal and as Markdown, a table per published table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isnan

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from ..core import plugins, specs
from ..core.formatting import format_count
from ..core.markdown import escape, format_table
from ..core.plugins import METRIC
from ..show.terminal import NAMES
from ..stats.aggregates import SHORT_NAMES
from .published import PublishedTable, Reproduction, read_tables

HEADS = ("method", "metric", "published", "measured", "difference", "allowed", "within?")
NUMERIC = (False, False, True, True, True, True, False)  # by column
NOTES = (
    "allowed: the largest difference that sampling explains, which is 1.96 times the root of the sum of both squared standard "
    "errors, but at least half a printed digit. The publication's standard error is estimated from the standard deviation "
    "measured here. If nothing differs, one number in twenty is outside by chance.",
    "Whether the images are the publication's is judged from the names of the class folders alone.",
)
IMAGES = {
    "same": "the same class folders",
    "other": "other images",
    "unknown": "it is not known whether the publication has these images",
}


@dataclass(frozen=True)
class TableText:
    """A published table and the same numbers as measured, in texts."""

    title: str
    source: str
    rows: list[list[str]]  # cells under HEADS
    remarks: list[str]


def lay_out(reproductions: Sequence[Reproduction]) -> list[TableText]:
    """Lay out the texts of each published table, in the order of the reproductions."""
    groups = [list(rows) for _, rows in groupby(reproductions, key=lambda row: id(row.published.table))]
    tables = [(rows[0].published.table, rows) for rows in groups]
    return [
        TableText(format_title(table, rows), table.source, list(map(format_row, rows)), list_remarks(table))
        for table, rows in tables
    ]


def show_reproductions(reproductions: Sequence[Reproduction]) -> Group:
    """Show the tables for a terminal of 80 columns."""
    parts: list[RenderableType] = []
    for table in lay_out(reproductions):
        parts += [Text(table.title, style="bold"), Text(table.source, style="dim"), _make_grid(table.rows)]
        parts += [Text(note, style="dim") for note in table.remarks]
    return Group(*parts, Text(summarise(reproductions)), *(Text(note, style="dim") for note in NOTES))


def format_markdown(reproductions: Sequence[Reproduction], level: int = 1) -> str:
    """Format the tables as Markdown; `level` is that of the first heading."""
    lines = [f"{'#' * level} Published and measured", "", escape(summarise(reproductions))]
    for table in lay_out(reproductions):
        lines += ["", f"{'#' * (level + 1)} {escape(table.title)}", "", escape(table.source), ""]
        lines += format_table(HEADS, NUMERIC, [list(map(escape, cells)) for cells in table.rows])
        lines += ["", *map(escape, table.remarks)] if table.remarks else []
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in NOTES)]) + "\n"


def format_title(table: PublishedTable, rows: Sequence[Reproduction]) -> str:
    """Describe the net, the protocol, and over how many images the run and the publication take their means."""
    measured = format_count(max(row.measured.n for row in rows), "image")
    published = f"{table.images or 'an unknown number'} of {table.data} published"
    return f"{table.spec} by {table.protocol}: {measured} here, {published} ({IMAGES[rows[0].image_match]})"


def format_row(row: Reproduction) -> list[str]:
    """Format the cells of a row, in the order of HEADS."""
    number, digits = row.published, row.published.digits
    numbers = [
        format_decimal(float(number.value), digits),
        format_decimal(row.measured.value, digits),
        format_decimal(row.difference, digits, "+"),
        "-" if isnan(row.allowed) else format_decimal(row.allowed, digits),
    ]
    return [number.method, row.short, *numbers, format_verdict(row)]


def format_verdict(row: Reproduction) -> str:
    """Say whether the difference is allowed: yes or no; other images, or "-", if that cannot be judged."""
    if row.image_match == "other":
        return "other images"
    return {True: "yes", False: "no", None: "-"}[row.is_within_allowed]


def format_decimal(value: float, digits: int, sign: str = "") -> str:
    """Format a number with `digits` decimals and no zero before the point: .187, -.020."""
    return re.sub(r"^([+-]?)0\.", r"\1.", f"{value:{sign}.{digits}f}")


def list_remarks(table: PublishedTable) -> list[str]:
    """List the remarks on a table: why it cannot be compared, what it needs, and its note."""
    return [remark for remark in (table.why_not, table.needs, table.note) if remark]


def summarise(reproductions: Sequence[Reproduction]) -> str:
    """Say in a sentence how many published numbers are reproduced."""
    within = [row.is_within_allowed for row in reproductions]
    other = sum(row.image_match == "other" for row in reproductions)
    parts = [f"Of {format_count(len(within), 'published number')}, {within.count(True)} within the allowed difference"]
    parts += [f"{within.count(False)} outside"]
    parts += [f"{other} on other images"] if other else []
    parts += [f"{rest} not comparable"] if (rest := within.count(None) - other) else []
    return ", ".join(parts) + "."


def list_published() -> Group:
    """List all published tables, in our unit, with the digits that the publications print."""
    parts: list[RenderableType] = []
    for table in read_tables():
        images = f", {table.images} images" if table.images else ""
        protocol = f" by {table.protocol}" if table.protocol else ""
        parts.append(Text(f"{table.spec}{protocol}; {table.data}{images}", style="bold"))
        parts.append(Text(f"{table.source}. {table.why_not or table.needs or 'Measured by bench run published.'}"))
        parts += [_make_published_grid(table), Text()]
    return Group(*parts[:-1])


def _make_published_grid(table: PublishedTable) -> RichTable:
    grid = RichTable(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column("method", width=NAMES, overflow="fold")
    for metric in table.metrics:
        grid.add_column(_make_head(metric), justify="right", no_wrap=True)
    for method, values in table.values.items():
        cells = ["" if value.is_nan() else str(value).removeprefix("0") for value in values]
        grid.add_row(*map(Text, [method, *cells]))
    return grid


def _make_head(metric: str) -> Text:
    spec = specs.parse("metric", metric)
    if spec.name in SHORT_NAMES:
        return Text("\n".join([SHORT_NAMES[spec.name], *(f"{key} {value}" for key, value in spec.settings.items())]))
    return Text(plugins.find(METRIC, metric).short)


def _make_grid(rows: Sequence[Sequence[str]]) -> RichTable:
    grid = RichTable(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    grid.add_column(HEADS[0], width=NAMES, overflow="fold")
    for head, numeric in zip(HEADS[1:], NUMERIC[1:], strict=True):
        grid.add_column(head, justify="right" if numeric else "left", no_wrap=True)
    previous = ""
    for method, *cells in rows:
        grid.add_row(*map(Text, ["" if method == previous else method, *cells]))
        previous = method
    return grid
