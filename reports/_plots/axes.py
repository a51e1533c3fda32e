"""The axes of a drawing: the scale from numbers to pixels, the ticks and their labels."""

from dataclasses import dataclass
from math import ceil, floor, log10

from matplotlib.ticker import MaxNLocator

from .drawing import Drawing

SMALL = 11.0  # font size


@dataclass(frozen=True)
class Scale:
    """A map from numbers (low to high) to pixels (start to end). A `log` scale is linear below `linear`, unless that is 0."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    linear: float = 0.0

    def __call__(self, value: float) -> float:
        low, high, position = (self._transform(number) for number in (self.low, self.high, value))
        return self.start + (position - low) / ((high - low) or 1) * (self.end - self.start)

    def list_ticks(self) -> list[float]:
        """List the values of the ticks: round numbers, or powers of ten on a logarithmic scale."""
        if not self.log:
            count = max(3, int(abs(self.end - self.start) / 60))
            values = MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
            tolerance = 1e-9 * (self.high - self.low)
            return [float(value) for value in values if self.low - tolerance <= value <= self.high + tolerance]
        least = max(self.low, self.linear) or 1e-9
        powers = range(ceil(log10(least) - 1e-9), floor(log10(self.high) + 1e-9) + 1)
        step = max(1, ceil(len(powers) / max(1, abs(self.end - self.start) / 55)))
        return ([0.0] if self.low <= 0 else []) + [10.0**power for power in powers][::step]

    def _transform(self, value: float) -> float:
        if not self.log:
            return value
        if self.linear:
            return value / self.linear if value < self.linear else 1 + log10(value / self.linear)
        return log10(value)


def pad(values: list[float], *, share: float = 0.06) -> tuple[float, float]:
    """Return the minimum and the maximum of values, with a margin on either side."""
    low, high = min(values), max(values)
    margin = share * (high - low) or 0.05 * (abs(high) or 1)
    return low - margin, high + margin


def format_tick(value: float) -> str:
    """Format the label of a tick: .2, .001, 10, 1,000."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-4):
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    text = f"{value:,.4f}".rstrip("0").rstrip(".") or "0"
    if text.startswith("-0."):
        return text.replace("-0.", "-.", 1)
    return text.removeprefix("0") if value % 1 else text


def draw_bottom_axis(drawing: Drawing, scale: Scale, top: float, bottom: float, title: str) -> None:
    """Draw an axis along the bottom."""
    for value in scale.list_ticks():
        drawing.add_line([(scale(value), top), (scale(value), bottom)], "grid")
        drawing.add_text(scale(value), bottom + 12, format_tick(value), anchor="middle", colour="muted", size=SMALL)
    drawing.add_line([(scale.start, bottom), (scale.end, bottom)], "muted")
    drawing.add_text((scale.start + scale.end) / 2, bottom + 29, title, anchor="middle", colour="muted", size=SMALL)


def draw_left_axis(drawing: Drawing, scale: Scale, left: float, right: float, title: str) -> None:
    """Draw an axis along the left."""
    for value in scale.list_ticks():
        drawing.add_line([(left, scale(value)), (right, scale(value))], "grid")
        drawing.add_text(left - 6, scale(value), format_tick(value), anchor="end", colour="muted", size=SMALL)
    drawing.add_line([(left, scale.start), (left, scale.end)], "muted")
    middle = (scale.start + scale.end) / 2
    drawing.add_text(left - 42, middle, title, anchor="middle", colour="muted", size=SMALL, turned=True)
