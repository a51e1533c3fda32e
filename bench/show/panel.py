"""A panel: a row for each class explained, with the photo, and for each method its map and the map laid over the photo."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..core.errors import UsageError
from ..core.files import write_bytes
from ..data.types import Pixels
from .overlay import COLOURS, OPACITY, FloatMap, check, coloured, laid_over

DPI = 128
SIDE = 1.9  # inches of a tile
GAP, PAIR, MARGIN, LINE = 0.06, 0.18, 0.1, 0.155  # inches: in a pair, between pairs, at the edges, of text
LETTERS = 15  # of text to an inch
INK, MUTED, BLANK = "#1a1a1a", "#666666", "#f2f2f2"
STYLE: dict[Any, Any] = {"text.parse_math": False, "font.size": 8, "font.family": "DejaVu Sans", "svg.fonttype": "none"}


@dataclass(frozen=True)
class Tile:
    """What a method shows of a class: its map (h, w) in [0, 1], or nothing; and what stands below."""

    title: str
    map: FloatMap | None
    caption: str  # the scores, or why there is no map


@dataclass(frozen=True)
class Row:
    """A photo (h, w, 3), the class that is explained in it, and a tile of each method."""

    title: str
    caption: str
    pixels: Pixels
    tiles: Sequence[Tile]


class Panel(Figure):
    """A figure that a notebook shows, and that is saved as PNG, JPEG, SVG or PDF by the end of its file's name."""

    def png(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()

    def save(self, file: Path | str) -> None:
        """Writes a file. Raises UsageError for an ending that stands for no kind of picture, or where it cannot be written."""
        kind = check_name(file)
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.savefig(buffer, format=kind)
        write_bytes(Path(file), buffer.getvalue())


def check_name(file: Path | str) -> str:
    """The kind of picture that a file's name tells. Raises UsageError for what is none."""
    kind = Path(file).suffix.lower().removeprefix(".")
    if kind not in FigureCanvasBase.get_supported_filetypes():
        raise UsageError(f"{file} is no name of a picture: let it end in .png, .jpg, .svg or .pdf")
    return kind


def draw(title: str, rows: Sequence[Row], *, colours: str = COLOURS, opacity: float = OPACITY) -> Panel:
    """The panel of some rows, under a title. Raises UsageError for colours that matplotlib does not have."""
    check(colours)
    pairs = max(len(row.tiles) for row in rows)
    width = 2 * MARGIN + SIDE + pairs * (PAIR + 2 * SIDE + GAP)
    heights = [_height(row) for row in rows]
    height = 2 * MARGIN + LINE + sum(heights)
    with matplotlib.rc_context(STYLE):
        panel = Panel(figsize=(width, height), dpi=DPI, facecolor="white")
        sheet = _Sheet(panel, width, height)
        top = MARGIN
        sheet.text(MARGIN, top, shorten(title, int(LETTERS * width), placeholder=" …"), MUTED)
        top += LINE
        for row, own in zip(rows, heights, strict=True):
            _row(sheet, row, top, colours, opacity)
            top += own
    return panel


@dataclass(frozen=True)
class _Sheet:
    """Where things stand on a panel: inches from the upper left corner."""

    panel: Panel
    width: float
    height: float

    def text(self, x: float, y: float, text: str, colour: str = INK, weight: str = "normal") -> None:
        self.panel.text(x / self.width, 1 - y / self.height, text, color=colour, weight=weight, va="top")

    def axes(self, x: float, y: float, width: float = SIDE) -> Axes:
        place = (x / self.width, 1 - (y + SIDE) / self.height, width / self.width, SIDE / self.height)
        return self.panel.add_axes(place)


def _row(sheet: _Sheet, row: Row, top: float, colours: str, opacity: float) -> None:
    titles, pictures, captions = top + 0.8 * LINE, top + 1.9 * LINE, top + 2.2 * LINE + SIDE
    _column(sheet, MARGIN, titles, row.title, SIDE)
    tile(sheet.axes(MARGIN, pictures), row.pixels)
    _lines(sheet, MARGIN, captions, row.caption, SIDE)
    x = MARGIN + SIDE + PAIR
    for one in row.tiles:
        _column(sheet, x, titles, one.title, 2 * SIDE)
        if one.map is None:
            tile(sheet.axes(x, pictures, 2 * SIDE + GAP), None, text=_wrapped(one.caption, 1.6 * SIDE))
        else:
            tile(sheet.axes(x, pictures), coloured(one.map, colours))
            tile(sheet.axes(x + SIDE + GAP, pictures), laid_over(row.pixels, one.map, colours, opacity))
            _lines(sheet, x, captions, one.caption, 2 * SIDE)
        x += 2 * SIDE + GAP + PAIR


def _column(sheet: _Sheet, x: float, y: float, title: str, width: float) -> None:
    short = title if len(title) <= LETTERS * width else title[: int(LETTERS * width) - 1] + "…"
    sheet.text(x, y, short, weight="bold")


def _lines(sheet: _Sheet, x: float, y: float, text: str, width: float) -> None:
    sheet.text(x, y, _wrapped(text, width), MUTED)


def _wrapped(text: str, width: float) -> str:
    return "\n".join(wrap(text, int(LETTERS * width)))


def _height(row: Row) -> float:
    """Of its titles, pictures and captions."""
    below = [(row.caption, SIDE), *((one.caption, 2 * SIDE) for one in row.tiles if one.map is not None)]
    lines = max(len(wrap(text, int(LETTERS * width))) for text, width in below)
    return 2.5 * LINE + SIDE + lines * LINE


def tile(plot: Axes, picture: Pixels | None, *, text: str = "n/a", title: str = "") -> None:
    """A picture without axes, or on a blank tile what is said in its stead."""
    plot.set_axis_off()
    if picture is None:
        plot.add_patch(Rectangle((0, 0), 1, 1, color=BLANK, transform=plot.transAxes))
        plot.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=plot.transAxes)
    else:
        plot.imshow(picture)
    if title:
        plot.set_title(title, fontsize=8, pad=3)
