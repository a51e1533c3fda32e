"""One decision explained: the class, the map of a method for it, and how faithful the map is."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.formatting import number
from ..data.types import Image, Pixels
from ..show.overlay import COLOURS, OPACITY, FloatMap, laid_over
from ..show.panel import Panel, Row, Tile, draw


@dataclass(frozen=True)
class Guess:
    """A class that a net sees in an image, with its softmax probability."""

    index: int
    name: str
    probability: float

    @property
    def chance(self) -> str:
        """The probability as it is shown."""
        return "< .001" if 0 < self.probability < 0.0005 else number(self.probability)


@dataclass(frozen=True)
class Scored:
    """A map's score by a metric; or None, and the reason."""

    metric: str
    short: str  # its name in a narrow place
    better: str  # higher or lower
    value: float | None
    reason: str = ""

    def __str__(self) -> str:
        arrow = "↑" if self.better == "higher" else "↓"
        return f"{self.short} {'n/a' if self.value is None else number(self.value)} {arrow}"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a net sees a class in an image, as a method tells it. A notebook shows it as its panel."""

    image: Image
    net: str
    layer: str  # at which the net is explained
    protocol: str  # by which the map is fitted and scored
    method: str
    target: Guess  # the class explained
    top: tuple[Guess, ...]  # the five classes of highest probability, or all where there are fewer
    raw: FloatMap | None  # (h', w'), as the method gave it; None where the method does not apply
    map: FloatMap | None  # (h, w) in [0, 1], of the image's size
    scored: tuple[Scored, ...]
    reason: str = ""  # why there is no map, or what is wrong with it
    notes: tuple[str, ...] = ()  # what was decided about the net

    @property
    def scores(self) -> dict[str, float]:
        """The score by each metric that gives one."""
        return {one.metric: one.value for one in self.scored if one.value is not None}

    @property
    def applies(self) -> bool:
        return self.map is not None

    def overlay(self, colours: str = COLOURS, opacity: float = OPACITY) -> Pixels:
        """The image (h, w, 3) under its map; the image alone where there is no map."""
        return self.image.pixels if self.map is None else laid_over(self.image.pixels, self.map, colours, opacity)

    def panel(self, *, colours: str = COLOURS, opacity: float = OPACITY) -> Panel:
        """The photo, the map and the overlay, with the scores below."""
        return panel([self], colours=colours, opacity=opacity)

    def __repr__(self) -> str:
        said = ", ".join(map(str, self.scored)) if self.applies else self.reason
        return f"<{self.method} of {self.target.name!r} in {self.image.name} by {self.net}: {said}>"

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.panel().png()).decode()
        return f'<img alt="{html.escape(repr(self))}" src="data:image/png;base64,{picture}">'

    def _repr_png_(self) -> bytes:
        return self.panel().png()


def panel(
    explanations: Explanation | Sequence[Explanation], *, colours: str = COLOURS, opacity: float = OPACITY
) -> Panel:
    """One figure of one explanation or several: a row for each image and class, in it the map and the overlay of each method.

    `colours` is the name of one of matplotlib's colour maps, `opacity` that of the map on the photo. Raises UsageError where
    there is nothing to draw.
    """
    explanations = [explanations] if isinstance(explanations, Explanation) else explanations
    if not explanations:
        raise UsageError("there is no explanation to draw")
    rows: dict[tuple[str, bytes, str, int], list[Explanation]] = {}
    for one in explanations:  # images of one name may be two: arrays have none of their own
        key = (one.image.name, one.image.pixels.tobytes(), one.net, one.target.index)
        rows.setdefault(key, []).append(one)
    title = "; ".join(dict.fromkeys(_where(one) for one in explanations))
    return draw(title, [_row(own) for own in rows.values()], colours=colours, opacity=opacity)


def _where(one: Explanation) -> str:
    return f"{one.image.name}: {one.net}, {one.layer}, protocol {one.protocol}"


def _row(explanations: Sequence[Explanation]) -> Row:
    first = explanations[0]
    caption = f"class {first.target.index}, probability {first.target.chance}"
    return Row(first.target.name, caption, first.image.pixels, [_tile(one) for one in explanations])


def _tile(one: Explanation) -> Tile:
    said = "   ".join(map(str, one.scored)) if one.applies else f"not applicable: {one.reason}"
    return Tile(one.method, one.map, said)
