"""A comparison as a terminal shows it."""

from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from .compare import Comparison
from .summary import Row, advice, headline, label, notes, rows, sentences
from .verdicts import FAILING

STYLES = {"better": "green", "fixed": "green", "unclear": "yellow", "new": "dim"} | dict.fromkeys(FAILING, "bold red")
METRIC = 15  # the widest column of metrics


def show(comparison: Comparison) -> Group:
    """What changed, by net and method, with its evidence; then what is no number, notes, and what to do."""
    parts: list[RenderableType] = [Text(f"{comparison.base.name} → {comparison.new.name}", style="bold")]
    parts.append(Text(headline(comparison), style="bold red" if comparison.failed else "bold"))
    if changed := rows(comparison):
        parts += [Text(), _grid(changed)]
    parts += [Text()] if changed or sentences(comparison) else []
    for verdict, said in sentences(comparison):
        parts.append(Text.assemble((verdict, STYLES[verdict]), f"  {said}"))
    for note in (*notes(comparison), *advice(comparison)):
        parts.append(Padding(Text(note, style="dim"), (0, 0, 0, 1), expand=False))
    return Group(*parts)


def _grid(changed: list[Row]) -> Grid:
    grid = Grid(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    grid.add_column(Text("verdict"))
    grid.add_column(Text("metric"), max_width=METRIC, overflow="fold")
    for head in ("base", "new", "change", "95 % interval", "p"):
        grid.add_column(Text(head), justify="right", no_wrap=True)
    for (net, method), of in groupby(changed, key=lambda row: row.cell.key[:2]):
        grid.add_section()
        grid.add_row(Text(net, style="bold"), Text(method, style="bold"))
        for row in of:
            verdict = row.cell.verdict
            texts = (label(row.cell), row.base, row.new, row.change, row.interval, row.p)
            grid.add_row(Text(verdict, style=STYLES[verdict]), *map(Text, texts))
    return grid
