"""The section "Published": numbers of publications and the same numbers as the runs measured them."""

from collections.abc import Sequence

from ...bench.published import published, table
from ...bench.show.grid import Cell, ColumnHead, Grid, GridRow, make_name_cell
from ...bench.store.run import Run
from .render import fill
from .section import Section


def make_section(runs: Sequence[Run]) -> Section | None:
    """Return a table for each published table that a run has measured too; None if there is none."""
    reproductions = {run.name: rows for run in runs if (rows := published.find_reproductions(run))}
    if not reproductions:
        return None
    tables = {
        name: [(part, _make_grid(name, part)) for part in table.lay_out(rows)] for name, rows in reproductions.items()
    }
    summaries = {name: table.summarise(rows) for name, rows in reproductions.items()}
    html = fill("published.html", tables=tables, summaries=summaries, notes=table.NOTES)
    grids = [grid for parts in tables.values() for _, grid in parts]
    return Section("published", "Published", html, tables=grids)


def _make_grid(run: str, part: table.TableText) -> Grid:
    heads = [
        ColumnHead(head, number=number, row_header=not index)
        for index, (head, number) in enumerate(zip(table.HEADS, table.NUMERIC, strict=True))
    ]
    rows = [GridRow([make_name_cell(method), *map(Cell, cells)]) for method, *cells in part.rows]
    return Grid(f"published-{run}-{part.title}", f"Published and measured: {part.title}", heads, rows, part.remarks)
