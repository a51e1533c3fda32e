"""Published and measured numbers as text for a terminal and as Markdown, a table per published table."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from ..core import plugins, specs
from ..core.formatting import format_count
from ..core.markdown import escape, format_table
from ..core.plugins import METRIC
from ..show.terminal import NAMES
from ..stats.aggregates import SHORT_NAMES
from .published import LONGEST, PublishedTable, Reproduction, Unmeasured, Verdict, read_tables

HEADS = ("method", "metric", "published", "measured", "interval", "verdict")
NUMERIC = (False, False, True, True, True, False)  # by column
NOTES = (
    "interval: where the publication's number is expected with 95 % confidence, from what was measured here. It allows for the "
    "sampling of both, whose scores are taken to vary as those measured here, and for half a printed digit. A number inside is "
    "reproduced, and one outside is not. If nothing differs, one number in twenty is outside by chance.",
    f"too few images: the interval holds the published number, but is longer than {f'{LONGEST:g}'.removeprefix('0')}, "
    "too long to say much; a shorter one may still hold the numbers of other methods. One image has no interval.",
    "Whether the images are the publication's is judged from the names of the class folders alone.",
)
ALWAYS: tuple[Verdict, ...] = ("reproduced", "not reproduced")
SUMMARY: dict[Verdict, str] = {  # in words
    "reproduced": "reproduced",
    "not reproduced": "not reproduced",
    "too few images": "on too few images to tell",
    "other images": "on other images",
    "not comparable": "not comparable",
    "not measured": "not measured",
}
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


Row = Reproduction | Unmeasured


def lay_out(reproductions: Sequence[Row]) -> list[TableText]:
    """Lay out the texts of each published table, in the order of the reproductions."""
    groups = [list(rows) for _, rows in groupby(reproductions, key=lambda row: id(row.published.table))]
    tables = [(rows[0].published.table, rows) for rows in groups]
    return [
        TableText(format_title(table, rows), table.source, list(map(format_row, rows)), list_remarks(table, rows))
        for table, rows in tables
    ]


def show_reproductions(reproductions: Sequence[Row]) -> Group:
    """Show the tables for a terminal of 80 columns."""
    parts: list[RenderableType] = []
    for table in lay_out(reproductions):
        parts += [Text(table.title, style="bold"), Text(table.source, style="dim"), _make_grid(table.rows)]
        parts += [Text(note, style="dim") for note in table.remarks]
    return Group(*parts, Text(summarise(reproductions)), *(Text(note, style="dim") for note in NOTES))


def format_markdown(reproductions: Sequence[Row], level: int = 1) -> str:
    """Format the tables as Markdown; `level` is that of the first heading."""
    lines = [f"{'#' * level} Published and measured", "", escape(summarise(reproductions))]
    for table in lay_out(reproductions):
        lines += ["", f"{'#' * (level + 1)} {escape(table.title)}", "", escape(table.source), ""]
        lines += format_table(HEADS, NUMERIC, [list(map(escape, cells)) for cells in table.rows])
        lines += ["", *map(escape, table.remarks)] if table.remarks else []
    return "\n".join([*lines, "", *(f"- {escape(note)}" for note in NOTES)]) + "\n"


def format_title(table: PublishedTable, rows: Sequence[Row]) -> str:
    """Describe the net, the protocol, and over how many images the run and the publication take their means."""
    measured = [row for row in rows if isinstance(row, Reproduction)]
    published = f"{table.images or 'an unknown number'} of {table.data} published"
    if not measured:
        return f"{table.spec} by {table.protocol}: not measured here, {published}"
    count = format_count(max(row.measured.n for row in measured), "image")
    return f"{table.spec} by {table.protocol}: {count} here, {published} ({IMAGES[measured[0].image_match]})"


def format_row(row: Row) -> list[str]:
    """Format the cells of a row, in the order of HEADS."""
    number, digits = row.published, row.published.digits
    measured, interval = "-", "-"
    if isinstance(row, Reproduction):
        measured = format_decimal(row.measured.mean, digits)
        ends = [format_decimal(end, digits) for end in row.interval or ()]
        interval = " to ".join(ends) or "-"
    return [number.method, row.short, format_decimal(float(number.value), digits), measured, interval, row.verdict]


def format_decimal(value: float, digits: int) -> str:
    """Format a number with `digits` decimals and no zero before the point: .187, -.020."""
    return re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def list_remarks(table: PublishedTable, rows: Sequence[Row]) -> list[str]:
    """List the remarks on a table: why it was not measured or cannot be compared, what it needs, how many images, its note."""
    reasons = dict.fromkeys(f"Not measured: {row.reason}." for row in rows if isinstance(row, Unmeasured))
    needed = [count for row in rows if isinstance(row, Reproduction) and (count := row.needed_images)]
    images = f"About {max(needed):,} images would tell what these are too few for." if needed else ""
    return [*reasons, *(remark for remark in (table.why_not, table.needs, images, table.note) if remark)]


def summarise(reproductions: Sequence[Row]) -> str:
    """Say in a sentence how many published numbers are reproduced, and why it cannot be told of the others."""
    counts = Counter(row.verdict for row in reproductions)
    parts = [f"{counts[verdict]} {words}" for verdict, words in SUMMARY.items() if verdict in ALWAYS or counts[verdict]]
    return f"Of {format_count(len(reproductions), 'published number')}, {', '.join(parts)}."


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
