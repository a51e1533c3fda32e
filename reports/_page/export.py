"""Every figure of the page as PNG and SVG, and every table as CSV, Markdown and LaTeX, in a folder."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ...bench.core.files import refusals
from ...bench.store.run import Run
from .._plots import svg
from .._plots.drawing import Drawing, Style, swatch
from .._plots.png import png
from .._tables.grid import Grid
from .._tables.latex import tabular
from .._tables.markdown import escape
from . import answer, drift, metrics, scores, side_by_side
from .analysis import Sheet

One = TypeVar("One")

AROUND = 12.0  # a legend's margin
ROW = 20.0


def write(runs: Sequence[Run], shown: Sequence[Sheet], folder: Path) -> None:
    """Writes figures/ and tables/ of the sheets of runs."""
    figures = _named(_figures(shown))
    tables = _named((grid.name, grid) for grid in _tables(runs, shown))
    with refusals(folder):
        for kind in ("figures", "tables"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, drawing in figures.items():
            (folder / "figures" / f"{name}.svg").write_text(svg.file(drawing))
            (folder / "figures" / f"{name}.png").write_bytes(png(drawing))
        for name, grid in tables.items():
            for suffix, text in (("csv", _csv(grid)), ("md", _markdown(grid)), ("tex", tabular(grid) + "\n")):
                (folder / "tables" / f"{name}.{suffix}").write_text(text)


def _figures(shown: Sequence[Sheet]) -> Iterator[tuple[str, Drawing]]:
    if shown:
        yield "legend", legend(shown[0].styles)
    for one in answer.shown(shown):
        spec = f"{one.sheet.title}-{one.view.metric.spec}"
        yield f"ranking-{spec}", one.ranking
        for axis, drawing in one.costs.items():
            yield f"{axis}-{spec}", drawing
    for sheet, spec, drawing in scores.curves(shown):
        yield f"curves-{sheet.title}-{spec}", drawing
    for sheet in shown:
        for spec, drawing in scores.spreads(sheet):
            yield f"images-{sheet.title}-{spec}", drawing
    for metric, _, diagram in metrics.ranks(shown):
        if diagram:
            yield f"ranks-{metric.spec.partition('@')[0]}", diagram


def _tables(runs: Sequence[Run], shown: Sequence[Sheet]) -> Iterator[Grid]:
    glance, differences = answer.glance(shown), side_by_side.differences(runs)
    yield from (grid for grid in (glance, differences) if grid)
    yield from side_by_side.sides(shown, runs)
    for sheet in shown:
        yield scores.scores(sheet)
        yield from scores.derived(sheet)
        yield metrics.steadiness(sheet)
        drifted = drift.drift(sheet)
        yield from [drifted] if drifted else []
        agreed = metrics.agreements(sheet)
        yield from [agreed] if agreed else []
    yield from (one.table for one in answer.shown(shown))


def legend(styles: dict[str, Style]) -> Drawing:
    """The lines and marks of the methods, one below the other."""
    longest = max(map(len, styles), default=0)
    drawing = Drawing(2 * AROUND + 54 + 7.2 * longest, 2 * AROUND + ROW * len(styles), f"Legend: {', '.join(styles)}.")
    for row, (method, style) in enumerate(styles.items()):
        y = AROUND + ROW * (row + 0.5)
        line = swatch(style).shapes[0]
        drawing.line([(AROUND, y), (AROUND + 40, y)], line.colour, width=2, dashes=style.dashes, of=method)
        drawing.mark(AROUND + 20, y, style, 4.5, of=method)
        drawing.text(AROUND + 50, y, method, of=method)
    return drawing


def _named(found: Iterable[tuple[str, One]]) -> dict[str, One]:
    """By a name that is a file's; where two meet, the later one is numbered."""
    made: dict[str, One] = {}
    for text, one in found:
        name, count = slug(text), 2
        while name in made:
            name, count = f"{slug(text)}-{count}", count + 1
        made[name] = one
    return made


def _csv(grid: Grid) -> str:
    return str(grid.frame().to_csv(index=False, lineterminator="\n"))


def _markdown(grid: Grid) -> str:
    heads, *rows = ([escape(cell) for cell in row] for row in grid.plain())
    sides = ["---:" if head.number else "---" for head in grid.heads]
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, sides, *rows)]
    notes = ["", *map(escape, grid.notes)] if grid.notes else []
    return "\n".join([escape(grid.caption), "", *lines, *notes]) + "\n"


def slug(text: str) -> str:
    """A name that is a file's on every system: letters, digits and .-_@=,"""
    return re.sub(r"[^\w.@=,-]+", "-", text, flags=re.ASCII).strip("-.")[:120] or "unnamed"
