"""A picture of the maps, for a README."""

import io

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..bench.show.panel import tile
from ..bench.stats.summary import tables
from ..bench.store.run import Run
from ..reports._page.pictures import Pictures


def montage(run: Run, *, nets: list[str] | None = None, methods: list[str] | None = None, images: int = 4) -> bytes:
    """A PNG: a row per image, and for each net a column per method that is no control (unless methods are named)."""
    shown = [table for table in tables(run) if nets is None or table.net in nets]
    chosen = methods or [method for method in shown[0].methods if method not in shown[0].controls]
    pictures = Pictures(run)
    names = _spread([name for name in run.header["data"]["images"] if pictures.has(name)], images)
    size = (1.25 * (1 + len(shown) * len(chosen)), 1.25 * len(names) + 0.55)
    with matplotlib.rc_context({"text.parse_math": False, "font.size": 9, "font.family": "DejaVu Sans"}):
        figure = Figure(figsize=size, dpi=128)
        grid = figure.subplots(len(names), 1 + len(shown) * len(chosen), squeeze=False)
        figure.subplots_adjust(0.005, 0.005, 0.995, 1 - 0.5 / size[1], wspace=0.04, hspace=0.04)
        for row, name in enumerate(names):
            tile(grid[row, 0], pictures.image(name), title="image" if row == 0 else "")
            for column, (table, method) in enumerate([(table, method) for table in shown for method in chosen], 1):
                first = f"{table.net}\n" if (column - 1) % len(chosen) == 0 else ""
                tile(
                    grid[row, column],
                    pictures.overlay(table.net, method, name),
                    title=first + method.replace(":", ":\n") if row == 0 else "",
                )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def _spread(names: list[str], count: int) -> list[str]:
    """As many names as asked for, evenly over all."""
    return [names[index] for index in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).astype(int))]
