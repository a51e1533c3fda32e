"""A panel: a row for each class explained, with the photo and, for each method, its map and the overlay on the photo.

A row of many methods is broken into lines.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
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
from .overlay import COLOURS, OPACITY, check_colours, colour_map, overlay_map
from .postprocess import FloatMap

DPI = 128
SIDE = 1.9  # inches: the side of a tile
GAP, PAIR_GAP, MARGIN, LINE = (
    0.06,
    0.18,
    0.1,
    0.155,
)  # inches: inside a pair, between pairs, at the edges, a line of text
LETTERS = 15  # an inch
MOST_PAIRS = 6  # pairs of a map and its overlay in a line
INK, MUTED, BLANK = "#1a1a1a", "#666666", "#f2f2f2"
STYLE: dict[Any, Any] = {"text.parse_math": False, "font.size": 8, "font.family": "DejaVu Sans", "svg.fonttype": "none"}


@dataclass(frozen=True)
class Tile:
    """The map of a method for a class, or the reason why there is none."""

    title: str
    map: FloatMap | None  # (h, w) in [0, 1]
    caption: str  # the scores, or the reason why there is no map


@dataclass(frozen=True)
class PanelRow:
    """A photo (h, w, 3), the class explained in it, and a tile for each method."""

    title: str
    caption: str
    pixels: Pixels
    tiles: Sequence[Tile]


class Panel(Figure):
    """A matplotlib figure that a notebook displays. The file name's extension decides between PNG, JPEG, SVG and PDF."""

    def png(self) -> bytes:
        """Return the figure as a PNG file."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        return self.png()

    def save(self, file: Path | str) -> None:
        """Write the figure to a file.

        Raise UsageError for an extension that names no picture format, and for a file that cannot be written.
        """
        kind = check_picture_name(file)
        buffer = io.BytesIO()
        with matplotlib.rc_context(STYLE):
            self.savefig(buffer, format=kind)
        write_bytes(Path(file), buffer.getvalue())


def is_picture_name(file: Path | str) -> bool:
    """Tell whether a file's extension names a picture format."""
    return _read_extension(file) in FigureCanvasBase.get_supported_filetypes()


def check_picture_name(file: Path | str) -> str:
    """Return the picture format that a file's extension names. Raise UsageError if it names none."""
    if not is_picture_name(file):
        raise UsageError(f"{file} is not a picture file: its name must end in .png, .jpg, .svg or .pdf")
    return _read_extension(file)


def _read_extension(file: Path | str) -> str:
    return Path(file).suffix.lower().removeprefix(".")


def draw_panel(title: str, rows: Sequence[PanelRow], *, colours: str = COLOURS, opacity: float = OPACITY) -> Panel:
    """Draw rows under a title. Raise UsageError for colours that matplotlib does not have."""
    check_colours(colours)
    lines = _break_rows(rows)
    pairs = max(len(line.tiles) for line in lines)
    width = 2 * MARGIN + SIDE + pairs * (PAIR_GAP + 2 * SIDE + GAP)
    heights = [_compute_height(line) for line in lines]
    height = 2 * MARGIN + LINE + sum(heights)
    with matplotlib.rc_context(STYLE):
        panel = Panel(figsize=(width, height), dpi=DPI, facecolor="white")
        sheet = _Sheet(panel, width, height)
        top = MARGIN
        sheet.add_text(MARGIN, top, shorten(title, int(LETTERS * width), placeholder=" …"), MUTED)
        top += LINE
        for line, line_height in zip(lines, heights, strict=True):
            _draw_line(sheet, line, top, colours, opacity)
            top += line_height
    return panel


@dataclass(frozen=True)
class _Line:
    """Tiles of a row that stand side by side: in its first line beside the photo."""

    row: PanelRow
    tiles: Sequence[Tile]
    has_photo: bool


def _break_rows(rows: Sequence[PanelRow]) -> list[_Line]:
    """Break rows into lines of at most MOST_PAIRS tiles, about as many in each."""
    most = max(len(row.tiles) for row in rows)
    pairs = ceil(most / ceil(most / MOST_PAIRS))
    return [
        _Line(row, row.tiles[start : start + pairs], has_photo=not start)
        for row in rows
        for start in range(0, len(row.tiles), pairs)
    ]


@dataclass(frozen=True)
class _Sheet:
    """A panel whose elements are positioned in inches from its upper left corner."""

    panel: Panel
    width: float
    height: float

    def add_text(self, x: float, y: float, text: str, colour: str = INK, weight: str = "normal") -> None:
        """Add a line of text with its upper left corner at (x, y)."""
        self.panel.text(x / self.width, 1 - y / self.height, text, color=colour, weight=weight, va="top")

    def add_axes(self, x: float, y: float, width: float = SIDE) -> Axes:
        """Add axes of the height of a tile with their upper left corner at (x, y)."""
        box = (x / self.width, 1 - (y + SIDE) / self.height, width / self.width, SIDE / self.height)
        return self.panel.add_axes(box)


def _draw_line(sheet: _Sheet, line: _Line, top: float, colours: str, opacity: float) -> None:
    row = line.row
    titles, pictures, captions = top + 0.8 * LINE, top + 1.9 * LINE, top + 2.2 * LINE + SIDE
    if line.has_photo:
        _draw_title(sheet, MARGIN, titles, row.title, SIDE)
        draw_tile(sheet.add_axes(MARGIN, pictures), row.pixels)
        _draw_caption(sheet, MARGIN, captions, row.caption, SIDE)
    x = MARGIN + SIDE + PAIR_GAP
    for tile in line.tiles:
        _draw_title(sheet, x, titles, tile.title, 2 * SIDE)
        if tile.map is None:
            draw_tile(sheet.add_axes(x, pictures, 2 * SIDE + GAP), None, text=_wrap(tile.caption, 1.6 * SIDE))
        else:
            draw_tile(sheet.add_axes(x, pictures), colour_map(tile.map, colours))
            draw_tile(sheet.add_axes(x + SIDE + GAP, pictures), overlay_map(row.pixels, tile.map, colours, opacity))
            _draw_caption(sheet, x, captions, tile.caption, 2 * SIDE)
        x += 2 * SIDE + GAP + PAIR_GAP


def _draw_title(sheet: _Sheet, x: float, y: float, title: str, width: float) -> None:
    short = title if len(title) <= LETTERS * width else title[: int(LETTERS * width) - 1] + "…"
    sheet.add_text(x, y, short, weight="bold")


def _draw_caption(sheet: _Sheet, x: float, y: float, text: str, width: float) -> None:
    sheet.add_text(x, y, _wrap(text, width), MUTED)


def _wrap(text: str, width: float) -> str:
    return "\n".join(wrap(text, int(LETTERS * width)))


def _compute_height(line: _Line) -> float:
    """Compute the height in inches of a line's titles, pictures and captions."""
    captions = [(tile.caption, 2 * SIDE) for tile in line.tiles if tile.map is not None]
    if line.has_photo:
        captions.append((line.row.caption, SIDE))
    lines = max((len(wrap(text, int(LETTERS * width))) for text, width in captions), default=0)
    return 2.5 * LINE + SIDE + lines * LINE


def draw_tile(axes: Axes, picture: Pixels | None, *, text: str = "n/a", title: str = "") -> None:
    """Draw a picture without axes. Without a picture, draw a blank tile with `text` on it."""
    axes.set_axis_off()
    if picture is None:
        axes.add_patch(Rectangle((0, 0), 1, 1, color=BLANK, transform=axes.transAxes))
        axes.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    else:
        axes.imshow(picture)
    if title:
        axes.set_title(title, fontsize=8, pad=3)
