"""Draw the maps of a run as one picture, for a README."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from ..bench.show.panel import draw_tile
from ..bench.show.run_pictures import RunPictures
from ..bench.stats.summary import build_tables
from ..bench.store.run import Run

DPI = 128
TILE, HEADER = 1.25, 0.55  # inches: the side of a tile, the height of the titles
STYLE: dict[Any, Any] = {"text.parse_math": False, "font.size": 9, "font.family": "DejaVu Sans"}


def draw_montage(
    run: Run, *, nets: list[str] | None = None, methods: list[str] | None = None, images: int = 4
) -> bytes:
    """Draw a PNG with a row per image and, for each net, a column per method.

    Without `nets`, all nets are drawn; without `methods`, all methods but the controls.
    """
    selected = [table for table in build_tables(run) if nets is None or table.net in nets]
    methods = methods or [method for method in selected[0].methods if method not in selected[0].controls]
    pictures = RunPictures(run)
    names = _select_evenly([name for name in run.header.data.images if pictures.has(name)], images)
    columns = [(table.net, method) for table in selected for method in methods]
    width, height = TILE * (1 + len(columns)), TILE * len(names) + HEADER
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=DPI)
        grid = figure.subplots(len(names), 1 + len(columns), squeeze=False)
        figure.subplots_adjust(0.005, 0.005, 0.995, 1 - 0.5 / height, wspace=0.04, hspace=0.04)
        for row, name in zip(grid, names, strict=True):
            titles = ["image", *_make_titles(columns)] if name == names[0] else [""] * len(row)
            overlays = [pictures.draw_overlay(net, method, name) for net, method in columns]
            for axes, picture, title in zip(row, [pictures.read_image(name), *overlays], titles, strict=True):
                draw_tile(axes, picture, title=title)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", facecolor="white")
    return buffer.getvalue()


def _make_titles(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Write the method of each column; the first column of a net names the net too."""
    nets = [net for net, _ in columns]
    return [
        (f"{net}\n" if nets.index(net) == index else "") + method.replace(":", ":\n")
        for index, (net, method) in enumerate(columns)
    ]


def _select_evenly(names: list[str], count: int) -> list[str]:
    """Select `count` of the names, evenly spaced."""
    return [names[index] for index in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).astype(int))]
