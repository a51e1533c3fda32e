"""A picture as a list of shapes, drawn once and written as SVG for the page, or as SVG and PNG for a paper.

Lengths are pixels of 1/96 inch, y downwards. Colours are names: ink, muted, grid, accent, and s0 to s7 of the methods.
"""

from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import Any

Points = list[tuple[float, float]]

LETTER = 0.58  # of the size of a font: the width of a letter, on the safe side
COLOURS = 8  # of methods, then they repeat with other marks
MARKS = ("circle", "square", "up", "diamond", "down", "pentagon", "star", "hexagon")
CONTROL_MARKS = ("cross", "plus", "circle")
CONTROL_DASHES = ((5.0, 3.0), (2.0, 2.5), (8.0, 2.5, 2.0, 2.5))


@dataclass(frozen=True)
class Style:
    """How a method is drawn, in every picture alike: the controls in dashed grey."""

    colour: str
    mark: str
    dashes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    points: Points
    colour: str
    width: float = 1.0
    dashes: tuple[float, ...] = ()
    of: str = ""  # the method that it belongs to, if it is one's


@dataclass(frozen=True)
class Area:
    points: Points
    colour: str
    opacity: float = 1.0
    of: str = ""


@dataclass(frozen=True)
class Text:
    x: float
    y: float  # of the middle of the letters
    text: str
    anchor: str = "start"  # start, middle, end
    colour: str = "ink"
    size: float = 12.0
    bold: bool = False
    turned: bool = False  # read upwards
    of: str = ""

    @property
    def width(self) -> float:
        return LETTER * self.size * len(self.text)


@dataclass
class Drawing:
    """Shapes on a sheet; `label` says in words what they show."""

    width: float
    height: float
    label: str
    shapes: list[Line | Area | Text] = field(default_factory=list)

    def line(self, points: Points, colour: str = "ink", **more: Any) -> None:
        self.shapes.append(Line(points, colour, **more))

    def area(self, points: Points, colour: str, **more: Any) -> None:
        self.shapes.append(Area(points, colour, **more))

    def text(self, x: float, y: float, text: str, **more: Any) -> None:
        self.shapes.append(Text(x, y, text, **more))

    def box(self, left: float, top: float, right: float, bottom: float, colour: str, **more: Any) -> None:
        self.area([(left, top), (right, top), (right, bottom), (left, bottom)], colour, **more)

    def mark(self, x: float, y: float, style: Style, radius: float = 4.0, of: str = "") -> None:
        """A method's mark about a point."""
        if style.mark in ("cross", "plus"):
            turn = pi / 4 if style.mark == "cross" else 0
            for angle in (turn, turn + pi / 2):
                across = (radius * cos(angle), radius * sin(angle))
                ends = [(x - across[0], y - across[1]), (x + across[0], y + across[1])]
                self.line(ends, style.colour, width=1.8, of=of)
        else:
            outline = [(x + radius * dx, y + radius * dy) for dx, dy in OUTLINES[style.mark]]
            self.area(outline, style.colour, of=of)


def styles(methods: list[str], controls: list[str]) -> dict[str, Style]:
    """By method; colour and mark together tell 64 methods apart."""
    tested = [method for method in methods if method not in controls]
    found = {
        method: Style(f"s{place % COLOURS}", MARKS[(place + place // COLOURS) % len(MARKS)])
        for place, method in enumerate(tested)
    }
    for place, method in enumerate(controls):
        found[method] = Style("muted", CONTROL_MARKS[place % 3], CONTROL_DASHES[place % 3])
    return found


def swatch(style: Style) -> Drawing:
    """The line and the mark of a method, for a legend."""
    drawing = Drawing(40, 15, "")
    drawing.line([(1, 7.5), (39, 7.5)], style.colour, width=2, dashes=style.dashes)
    drawing.mark(20, 7.5, style, 4.5)
    return drawing


def _polygon(corners: int, turn: float = 0.0, inner: float = 1.0) -> Points:
    count = corners * (2 if inner < 1 else 1)
    angles = [2 * pi * place / count - pi / 2 + turn for place in range(count)]
    radii = [inner if inner < 1 and place % 2 else 1.1 for place in range(count)]
    return [(radius * cos(angle), radius * sin(angle)) for angle, radius in zip(angles, radii, strict=True)]


OUTLINES: dict[str, Points] = {
    "circle": _polygon(14),
    "square": _polygon(4, pi / 4),
    "diamond": _polygon(4),
    "up": _polygon(3),
    "down": _polygon(3, pi),
    "pentagon": _polygon(5),
    "hexagon": _polygon(6),
    "star": _polygon(5, inner=0.5),
}
