"""A drawing as a list of shapes, made once and written as SVG for the page and as SVG and PNG for a paper.

Lengths are pixels of 1/96 inch, y downwards. Colours are names: ink, muted, grid, accent, and s0 to s7 of the methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

Points = list[tuple[float, float]]

LETTER = 0.58  # width of a letter as a share of the font size, rounded up
COLOURS = 8  # of methods; after that they repeat with other marks
MARKS = ("circle", "square", "up", "diamond", "down", "pentagon", "star", "hexagon")
CONTROL_MARKS = ("cross", "plus", "circle", "square")
CONTROL_DASHES = ((5.0, 3.0), (2.0, 2.5), (8.0, 2.5, 2.0, 2.5), (9.0, 4.0))


@dataclass(frozen=True)
class Style:
    """How a method is drawn, the same in every figure: the controls in dashed grey."""

    colour: str
    mark: str
    dashes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: Points
    colour: str
    width: float = 1.0
    dashes: tuple[float, ...] = ()
    method: str = ""  # the method that the shape belongs to, if any


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: Points
    colour: str
    opacity: float = 1.0
    method: str = ""


@dataclass(frozen=True)
class Link:
    """Where a dot leads on the page, and what it stands for."""

    anchor: str
    title: str


@dataclass(frozen=True)
class Dots:
    """Filled circles. A link, if any, belongs to the point of the same number; None: that point has none."""

    points: Points
    colour: str
    radius: float = 2.0
    opacity: float = 1.0
    method: str = ""
    links: Sequence[Link | None] = ()


@dataclass(frozen=True)
class Text:
    """A line of text."""

    x: float
    y: float  # of the vertical middle of the letters
    text: str
    anchor: str = "start"  # start, middle, end
    colour: str = "ink"
    size: float = 12.0
    bold: bool = False
    turned: bool = False  # by 90 degrees, to be read upwards
    method: str = ""

    @property
    def width(self) -> float:
        return LETTER * self.size * len(self.text)


@dataclass
class Drawing:
    """Shapes, drawn in order; `label` describes the figure in words."""

    width: float
    height: float
    label: str
    shapes: list[Line | Area | Dots | Text] = field(default_factory=list)

    def add_line(self, points: Points, colour: str = "ink", **options: Any) -> None:
        """Add a line through points."""
        self.shapes.append(Line(points, colour, **options))

    def add_area(self, points: Points, colour: str, **options: Any) -> None:
        """Add a filled polygon."""
        self.shapes.append(Area(points, colour, **options))

    def add_dots(self, points: Points, colour: str, **options: Any) -> None:
        """Add a circle at each point."""
        self.shapes.append(Dots(points, colour, **options))

    def add_text(self, x: float, y: float, text: str, **options: Any) -> None:
        """Add text at a point."""
        self.shapes.append(Text(x, y, text, **options))

    def add_box(self, left: float, top: float, right: float, bottom: float, colour: str, **options: Any) -> None:
        """Add a filled upright rectangle."""
        self.add_area([(left, top), (right, top), (right, bottom), (left, bottom)], colour, **options)

    def add_mark(self, x: float, y: float, style: Style, radius: float = 4.0, method: str = "") -> None:
        """Add the mark of a method, centred on a point."""
        if style.mark in ("cross", "plus"):
            turn = pi / 4 if style.mark == "cross" else 0
            for angle in (turn, turn + pi / 2):
                across = (radius * cos(angle), radius * sin(angle))
                ends = [(x - across[0], y - across[1]), (x + across[0], y + across[1])]
                self.add_line(ends, style.colour, width=1.8, method=method)
        else:
            outline = [(x + radius * dx, y + radius * dy) for dx, dy in OUTLINES[style.mark]]
            self.add_area(outline, style.colour, method=method)


def assign_styles(methods: list[str], controls: list[str]) -> dict[str, Style]:
    """Assign a style to each method. The pairs of colour and mark are distinct for up to 64 methods."""
    tested = [method for method in methods if method not in controls]
    styles = {
        method: Style(f"s{index % COLOURS}", MARKS[(index + index // COLOURS) % len(MARKS)])
        for index, method in enumerate(tested)
    }
    for index, method in enumerate(controls):
        styles[method] = Style("muted", CONTROL_MARKS[index % 4], CONTROL_DASHES[index % 4])
    return styles


def draw_swatch(style: Style) -> Drawing:
    """Draw the line and the mark of a method, for a legend."""
    drawing = Drawing(40, 15, "")
    drawing.add_line([(1, 7.5), (39, 7.5)], style.colour, width=2, dashes=style.dashes)
    drawing.add_mark(20, 7.5, style, 4.5)
    return drawing


def _make_polygon(corners: int, turn: float = 0.0, inner: float = 1.0) -> Points:
    """Return a regular polygon around (0, 0), or a star if its inner corners lie at the radius `inner`."""
    count = corners * (2 if inner < 1 else 1)
    angles = [2 * pi * corner / count - pi / 2 + turn for corner in range(count)]
    radii = [inner if inner < 1 and corner % 2 else 1.1 for corner in range(count)]
    return [(radius * cos(angle), radius * sin(angle)) for angle, radius in zip(angles, radii, strict=True)]


OUTLINES: dict[str, Points] = {
    "circle": _make_polygon(14),
    "square": _make_polygon(4, pi / 4),
    "diamond": _make_polygon(4),
    "up": _make_polygon(3),
    "down": _make_polygon(3, pi),
    "pentagon": _make_polygon(5),
    "hexagon": _make_polygon(6),
    "star": _make_polygon(5, inner=0.5),
}
