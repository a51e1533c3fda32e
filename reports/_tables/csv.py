"""Writes a table as CSV, by pandas, with unrounded numbers."""

from .grid import Grid


def write(grid: Grid) -> str:
    return str(grid.to_frame().to_csv(index=False, lineterminator="\n"))
