"""Writes a table in Markdown."""

from ...bench.core.markdown import escape, format_table
from ...bench.show.grid import Cell, ColumnHead, Grid


def write(grid: Grid) -> str:
    """Format the caption, the table and its notes."""
    notes = ["", *map(escape, grid.notes)] if grid.notes else []
    return "\n".join([escape(grid.caption), "", *format_lines(grid), *notes]) + "\n"


def format_lines(grid: Grid) -> list[str]:
    """Format the lines of the table alone."""
    rows = [[_format_cell(cell) for cell in row.cells] for row in grid.rows]
    return format_table([_format_head(head) for head in grid.heads], [head.number for head in grid.heads], rows)


def _format_head(head: ColumnHead) -> str:
    return escape(f"{head.text}, {head.small}" if head.small else head.text)


def _format_cell(cell: Cell) -> str:
    text = f"**{escape(cell.text)}**" if cell.bold else escape(cell.text)
    return f"{text} [{escape(cell.small)}]" if cell.small else text
