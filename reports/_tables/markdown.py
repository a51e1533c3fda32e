"""Writes a table in Markdown; tabulate would be one more dependency for ten lines (see grid.py)."""

import re
from collections.abc import Sequence

from .grid import Cell, Grid, Head


def escape(text: object) -> str:
    """Escape text so that Markdown shows it literally, in a cell of a table too."""
    flat = " ".join(str(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*|\[\]#~$]|(?<!\w)_|_(?!\w))", r"\\\1", flat)


def write(grid: Grid) -> str:
    """Format the caption, the table and its notes."""
    notes = ["", *map(escape, grid.notes)] if grid.notes else []
    return "\n".join([escape(grid.caption), "", *format_lines(grid), *notes]) + "\n"


def format_lines(grid: Grid) -> list[str]:
    """Format the lines of the table alone."""
    rule = ["---:" if head.number else "---" for head in grid.heads]
    rows = [[_cell(cell) for cell in row.cells] for row in grid.rows]
    return [_line(cells) for cells in ([_head(head) for head in grid.heads], rule, *rows)]


def _head(head: Head) -> str:
    return escape(f"{head.text}, {head.small}" if head.small else head.text)


def _cell(cell: Cell) -> str:
    text = f"**{escape(cell.text)}**" if cell.bold else escape(cell.text)
    return f"{text} [{escape(cell.small)}]" if cell.small else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
