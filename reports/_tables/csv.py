"""Writes a table as CSV, by pandas, with unrounded numbers."""

from ...bench.show.grid import Grid


def write(grid: Grid) -> str:
    """Format a table as CSV."""
    return str(grid.to_frame().to_csv(index=False, lineterminator="\n"))
