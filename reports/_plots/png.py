"""A drawing as PNG, on white, three pixels to the page's one: 288 dots an inch."""

import io
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon

from .drawing import Area, Drawing, Line
from .drawing import Text as Words
from .svg import FONT, PAPER

INCH = 96  # pixels of a drawing
DPI = 3 * INCH
ANCHORS = {"start": "left", "middle": "center", "end": "right"}


def png(drawing: Drawing) -> bytes:
    buffer = io.BytesIO()
    figure(drawing).savefig(buffer, format="png", dpi=DPI, facecolor="white")
    return buffer.getvalue()


def figure(drawing: Drawing) -> Figure:
    """The same shapes in the same places."""
    with matplotlib.rc_context({"text.parse_math": False, "font.family": FONT}):
        made = Figure(figsize=(drawing.width / INCH, drawing.height / INCH))
        plot = made.add_axes((0, 0, 1, 1))
        plot.set_axis_off()
        plot.set(xlim=(0, drawing.width), ylim=(drawing.height, 0))
        for place, shape in enumerate(drawing.shapes):
            if isinstance(shape, Words):
                plot.text(shape.x, shape.y, shape.text, zorder=place, **_letters(shape))
            else:
                plot.add_artist(_artist(shape, place))
    return made


def _artist(shape: Line | Area, place: int) -> Any:
    if isinstance(shape, Area):
        return Polygon(shape.points, color=PAPER[shape.colour], alpha=shape.opacity, linewidth=0, zorder=place)
    width = shape.width * 72 / INCH
    xs, ys = zip(*shape.points, strict=True)
    dashes: Any = (0, tuple(one / shape.width for one in shape.dashes)) if shape.dashes else "-"
    return Line2D(
        xs, ys, color=PAPER[shape.colour], linewidth=width, linestyle=dashes, solid_capstyle="butt", zorder=place
    )


def _letters(shape: Words) -> dict[str, Any]:
    about = {"color": PAPER[shape.colour], "fontsize": shape.size * 72 / INCH, "parse_math": False}
    about |= {"ha": ANCHORS[shape.anchor], "va": "center_baseline", "weight": "bold" if shape.bold else "normal"}
    if not shape.turned:
        return about
    sides = {"start": "bottom", "middle": "center", "end": "top"}
    return about | {"rotation": 90, "ha": "center", "va": sides[shape.anchor]}
