"""A table as it is shown everywhere: on the page, as CSV, as Markdown, as LaTeX."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isnan

import pandas as pd

from ...bench.core.formatting import number
from ...bench.stats.estimate import Estimate


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, and what it is sorted by."""

    text: str
    value: float | str | None = None
    small: str = ""
    css: str = ""
    bold: bool = False
    estimate: Estimate | None = None

    @property
    def key(self) -> float | str:
        """What it is sorted by; the empty string comes last."""
        value = self.text if self.value is None else self.value
        return "" if isinstance(value, float) and isnan(value) else value


@dataclass(frozen=True)
class Head:
    text: str
    small: str = ""
    title: str = ""
    number: bool = False
    data: dict[str, str] = field(default_factory=dict)  # what the column can be filtered by


@dataclass(frozen=True)
class Row:
    cells: list[Cell]
    data: dict[str, str] = field(default_factory=dict)  # what the row can be filtered by
    css: str = ""


@dataclass(frozen=True)
class Grid:
    """A table; `name` is that of its files, and `notes` stand below it."""

    name: str
    caption: str
    heads: list[Head]
    rows: list[Row]
    notes: Sequence[str] = ()
    css: str = ""

    def frame(self) -> pd.DataFrame:
        """The numbers as they are, for a CSV; an estimate is four columns."""
        columns: dict[str, list[object]] = {}
        for place, head in enumerate(self.heads):
            cells = [row.cells[place] for row in self.rows]
            columns[_free(head.text, columns)] = [_raw(head, cell) for cell in cells]
            if any(cell.estimate for cell in cells):
                for end in ("low", "high", "n"):
                    columns[_free(f"{head.text} {end}", columns)] = [
                        getattr(cell.estimate, end) if cell.estimate else None for cell in cells
                    ]
        return pd.DataFrame(columns)

    def plain(self) -> Iterator[list[str]]:
        """The rows as text, the heads first."""
        yield [_joined(head.text, head.small, ", ") for head in self.heads]
        for row in self.rows:
            yield [_joined(cell.text, f"[{cell.small}]" if cell.small else "", " ") for cell in row.cells]


def name(text: str) -> Cell:
    """The first cell of a row."""
    return Cell(text, text)


def figure(value: float, shown: str | None = None, small: str = "") -> Cell:
    """A number; nothing where it is not known."""
    return Cell("–" if isnan(value) else shown or number(value), value, "" if isnan(value) else small)


def estimated(estimate: Estimate, *, bold: bool = False) -> Cell:
    """A mean and its interval."""
    if not estimate.n:
        return Cell("–", float("nan"))
    small = "" if isnan(estimate.low) else f"{number(estimate.low)} to {number(estimate.high)}"
    return Cell(number(estimate.mean), float(estimate.mean), small, bold=bold, estimate=estimate)


def _free(head: str, taken: dict[str, list[object]]) -> str:
    """A column's name that no other has."""
    found, count = head, 2
    while found in taken:
        found, count = f"{head} ({count})", count + 1
    return found


def _raw(head: Head, cell: Cell) -> object:
    if not head.number:
        return _joined(cell.text, f"({cell.small})" if cell.small else "", " ")
    if isinstance(cell.value, float) and isnan(cell.value):
        return None
    return cell.text if cell.value is None else cell.value


def _joined(one: str, other: str, between: str) -> str:
    return f"{one}{between}{other}" if other else one
