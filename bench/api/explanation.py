"""The explanation of one decision: the class, the map of a method for it, and the scores of the map."""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.errors import UsageError
from ..core.formatting import format_number
from ..data.types import Image, Pixels
from ..show.overlay import COLOURS, OPACITY, overlay_map
from ..show.panel import Panel, PanelRow, Tile, draw_panel
from ..show.postprocess import FloatMap


@dataclass(frozen=True)
class Guess:
    """A class of a net and its probability for an image."""

    index: int
    name: str
    probability: float

    @property
    def chance(self) -> str:
        """The probability as text."""
        return "< .001" if 0 < self.probability < 0.0005 else format_number(self.probability)


@dataclass(frozen=True)
class MetricResult:
    """The score of a map by a metric, or the reason why there is none."""

    metric: str
    short: str  # the name of the metric in narrow columns
    better: str  # "higher" or "lower"
    value: float | None
    reason: str = ""  # why `value` is None

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"

    def __str__(self) -> str:
        return f"{self.short} {'n/a' if self.value is None else format_number(self.value)} {self.arrow}"


@dataclass(frozen=True, eq=False)
class Explanation:
    """The map of a method for one class in an image, with its scores. A notebook shows it as a panel."""

    image: Image
    net: str
    layer: str  # where the net is explained
    protocol: str  # how the map is fitted and scored
    method: str
    target: Guess  # the class explained
    top: tuple[Guess, ...]  # the five likeliest classes, or all classes of a net that has fewer
    raw: FloatMap | None  # (h', w') as the method returned it; None if the method does not apply
    map: FloatMap | None  # (h, w) in [0, 1], at the size of the image
    results: tuple[MetricResult, ...]
    reason: str = ""  # why there is no map, or what is wrong with it
    notes: tuple[str, ...] = ()  # assumptions about the net, such as its preprocessing

    @property
    def scores(self) -> dict[str, float]:
        """The score by each metric that has one."""
        return {result.metric: result.value for result in self.results if result.value is not None}

    @property
    def applies(self) -> bool:
        """Whether the method applies to the net, so that there is a map."""
        return self.map is not None

    def overlay(self, colours: str = COLOURS, opacity: float = OPACITY) -> Pixels:
        """Return the map blended with the image, (h, w, 3) in 0 to 255; the image alone if there is no map.

        `colours` is the name of a colour map of matplotlib, `opacity` in [0, 1] that of the map. Raise UsageError for any
        other value.
        """
        return self.image.pixels if self.map is None else overlay_map(self.image.pixels, self.map, colours, opacity)

    def panel(self, *, colours: str = COLOURS, opacity: float = OPACITY) -> Panel:
        """Draw the photo, the map and the overlay, with the scores below; see `panel`."""
        return panel([self], colours=colours, opacity=opacity)

    def __repr__(self) -> str:
        summary = ", ".join(map(str, self.results)) if self.applies else self.reason
        return f"<{self.method} of {self.target.name!r} in {self.image.name} by {self.net}: {summary}>"

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self.panel().png()).decode()
        return f'<img alt="{html.escape(repr(self))}" src="data:image/png;base64,{picture}">'

    def _repr_png_(self) -> bytes:
        return self.panel().png()


def panel(
    explanations: Explanation | Sequence[Explanation], *, colours: str = COLOURS, opacity: float = OPACITY
) -> Panel:
    """Draw explanations as one figure: a row per image and class, with the map and overlay of each method.

    `colours` is the name of a colour map of matplotlib, `opacity` in [0, 1] that of the map on the photo. Raise UsageError
    for any other value, and for an empty list.
    """
    explanations = [explanations] if isinstance(explanations, Explanation) else explanations
    if not explanations:
        raise UsageError("there is no explanation to draw")
    rows: dict[tuple[str, bytes, str, int], list[Explanation]] = {}
    for explanation in explanations:
        # The pixels tell images of the same name apart: arrays have no name of their own.
        pixels = explanation.image.pixels.tobytes()
        key = (explanation.image.name, pixels, explanation.net, explanation.target.index)
        rows.setdefault(key, []).append(explanation)
    title = "; ".join(dict.fromkeys(_make_subtitle(explanation) for explanation in explanations))
    return draw_panel(title, [_make_row(group) for group in rows.values()], colours=colours, opacity=opacity)


def _make_subtitle(explanation: Explanation) -> str:
    return f"{explanation.image.name}: {explanation.net}, {explanation.layer}, protocol {explanation.protocol}"


def _make_row(explanations: Sequence[Explanation]) -> PanelRow:
    first = explanations[0]
    caption = f"class {first.target.index}, probability {first.target.chance}"
    return PanelRow(
        first.target.name, caption, first.image.pixels, [_make_tile(explanation) for explanation in explanations]
    )


def _make_tile(explanation: Explanation) -> Tile:
    scores = "   ".join(map(str, explanation.results))
    caption = scores if explanation.applies else f"not applicable: {explanation.reason}"
    return Tile(explanation.method, explanation.map, caption)
