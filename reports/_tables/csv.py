"""Writes a table as CSV, by pandas, with unrounded numbers."""

from ...bench.core.spreadsheet import escape
from ...bench.show.grid import Grid


def write(grid: Grid) -> str:
    """Format a table as CSV."""
    frame = grid.to_frame().map(escape).rename(columns=escape)
    return str(frame.to_csv(index=False, lineterminator="\n"))
