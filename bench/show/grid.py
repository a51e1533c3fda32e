"""A table, laid out once and shown in the terminal and as HTML (by the templates of the page), CSV, Markdown and LaTeX.

One `Grid` holds the numbers (for CSV and for sorting), the rounded texts with their intervals, and the keys that the page
filters by; a data frame has no place for all three. reports/_tables/latex.py replaces pandas' Styler, which takes 300 times as
long for a table (0.33 s) and escapes no arrow or dash. core/markdown.py replaces tabulate, one more dependency for ten lines.
pandas writes the CSV.
"""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from math import isnan

import pandas as pd

from ..core.formatting import format_number
from ..stats.estimate import Estimate

MOST_SHORT_CARDS, MOST_CARDS = 12, 24  # rows that a narrow screen shows as cards
SENTENCE = 40  # letters: a longer text is a sentence


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and the value that the column is sorted by."""

    text: str
    value: float | str | None = None
    small: str = ""
    css: str = ""
    bold: bool = False
    estimate: Estimate | None = None
    picture: str = ""  # a data URL, shown before the text on the page
    link: str = ""  # an anchor on the page, to which picture and text lead

    @property
    def key(self) -> float | str:
        """What the column is sorted by; the empty string comes last."""
        value = self.text if self.value is None else self.value
        return "" if isinstance(value, float) and isnan(value) else value


@dataclass(frozen=True)
class ColumnHead:
    """The head of a column."""

    text: str
    small: str = ""
    title: str = ""  # a tooltip
    short: str = ""  # in the terminal, in lines; a column without it is left out there
    _: KW_ONLY
    number: bool = False
    row_header: bool = False  # whether the cells of the column name their rows
    data: dict[str, str] = field(default_factory=dict)  # what the column can be filtered by


@dataclass(frozen=True)
class GridRow:
    """The cells of a row, one for each column."""

    cells: list[Cell]
    data: dict[str, str] = field(default_factory=dict)  # what the row can be filtered by
    css: str = ""
    anchor: str = ""  # to which links on the page lead


@dataclass(frozen=True)
class Grid:
    """A table; `name` is the name of its files, and `notes` stand below it."""

    name: str
    caption: str
    heads: list[ColumnHead]
    rows: list[GridRow]
    notes: Sequence[str] = ()
    css: str = ""

    @property
    def is_stacked(self) -> bool:
        """Whether a narrow screen shows each row as a card of its own: a few rows, or more with sentences in their cells."""
        cells = [
            cell for row in self.rows for cell, head in zip(row.cells, self.heads, strict=True) if not head.row_header
        ]
        has_sentences = any(max(len(cell.text), len(cell.small)) > SENTENCE for cell in cells)
        return self.css != "matrix" and len(self.rows) <= (MOST_CARDS if has_sentences else MOST_SHORT_CARDS)

    def to_frame(self) -> pd.DataFrame:
        """Return the unrounded numbers; an estimate takes four columns."""
        columns: dict[str, list[object]] = {}
        for index, head in enumerate(self.heads):
            cells = [row.cells[index] for row in self.rows]
            columns[_make_unique(head.text, columns)] = [_find_value(head, cell) for cell in cells]
            if any(cell.estimate for cell in cells):
                for end in ("low", "high", "n"):
                    columns[_make_unique(f"{head.text} {end}", columns)] = [
                        getattr(cell.estimate, end) if cell.estimate else None for cell in cells
                    ]
        return pd.DataFrame(columns)


def make_name_cell(text: str) -> Cell:
    """Make a cell that names its row."""
    return Cell(text, text)


def make_number_cell(value: float, text: str | None = None, small: str = "") -> Cell:
    """Make a cell of a number; a dash if the number is NaN."""
    return Cell("–" if isnan(value) else text or format_number(value), value, "" if isnan(value) else small)


def make_estimate_cell(estimate: Estimate, *, bold: bool = False) -> Cell:
    """Make a cell of a mean and its interval; a dash if there is no value."""
    if not estimate.n:
        return Cell("–", float("nan"))
    small = "" if isnan(estimate.low) else f"{format_number(estimate.low)} to {format_number(estimate.high)}"
    return Cell(format_number(estimate.mean), float(estimate.mean), small, bold=bold, estimate=estimate)


def _make_unique(head: str, taken: dict[str, list[object]]) -> str:
    """Make a column name that no other column has."""
    unique, count = head, 2
    while unique in taken:
        unique, count = f"{head} ({count})", count + 1
    return unique


def _find_value(head: ColumnHead, cell: Cell) -> object:
    """Return the value of a cell for a data frame: a number if the column holds numbers, else text."""
    if not head.number:
        return f"{cell.text} ({cell.small})" if cell.small else cell.text
    if isinstance(cell.value, float) and isnan(cell.value):
        return None
    return cell.text if cell.value is None else cell.value
