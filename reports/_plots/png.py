"""Writes a drawing as PNG on white, by matplotlib, at 288 dots per inch: three times the resolution of the page."""

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from .drawing import Area, Dots, Drawing, Line
from .drawing import Text as Words
from .svg import FONT, PAPER

INCH = 96  # pixels of a drawing per inch
DPI = 3 * INCH
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def make_png(drawing: Drawing) -> bytes:
    """Draw a drawing as PNG, on white."""
    buffer = io.BytesIO()
    make_figure(drawing).savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return buffer.getvalue()


def make_figure(drawing: Drawing) -> Figure:
    """Draw the shapes on a figure of matplotlib."""
    with matplotlib.rc_context({"text.parse_math": False, "font.family": FONT}):
        figure = Figure(figsize=(drawing.width / INCH, drawing.height / INCH))
        plot = figure.add_axes((0, 0, 1, 1))
        plot.set_axis_off()
        plot.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
        for order, shape in enumerate(drawing.shapes):
            if isinstance(shape, Words):
                plot.text(shape.x, shape.y, shape.text, zorder=order, **_make_text_options(shape))
            else:
                plot.add_artist(_make_artist(shape, order))
    return figure


def _make_artist(shape: Line | Area | Dots, order: int) -> Any:
    if isinstance(shape, Area):
        return Polygon(shape.points, color=PAPER[shape.colour], alpha=shape.opacity, linewidth=0, zorder=order)
    xs, ys = zip(*shape.points, strict=True)
    if isinstance(shape, Dots):
        return Line2D(
            xs, ys, color=PAPER[shape.colour], linestyle="", marker="o", markersize=2 * shape.radius * 72 / INCH,
            markeredgewidth=0, alpha=shape.opacity, zorder=order,
        )  # fmt: skip
    width = shape.width * 72 / INCH
    dashes: Any = (0, tuple(length / shape.width for length in shape.dashes)) if shape.dashes else "-"
    return Line2D(
        xs, ys, color=PAPER[shape.colour], linewidth=width, linestyle=dashes, solid_capstyle="butt", zorder=order
    )


def _make_text_options(shape: Words) -> dict[str, Any]:
    options = {"color": PAPER[shape.colour], "fontsize": shape.size * 72 / INCH, "parse_math": False}
    options |= {"ha": ANCHORS[shape.anchor], "va": "center_baseline", "weight": "bold" if shape.bold else "normal"}
    if not shape.turned:
        return options
    sides = {"start": "bottom", "middle": "center", "end": "top"}
    return options | {"rotation": 90, "ha": "center", "va": sides[shape.anchor]}
