"""The axes of a drawing: where a number lies, and the lines and numbers that say so."""

from dataclasses import dataclass
from math import ceil, floor, log10

from matplotlib.ticker import MaxNLocator

from .drawing import Drawing

SMALL = 11.0  # the size of an axis's letters


@dataclass(frozen=True)
class Scale:
    """Numbers from low to high laid over pixels from start to end; `log` is linear below `linear`, which 0 can be."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    linear: float = 0.0

    def __call__(self, value: float) -> float:
        low, high, one = (self._laid(number) for number in (self.low, self.high, value))
        return self.start + (one - low) / ((high - low) or 1) * (self.end - self.start)

    def ticks(self) -> list[float]:
        if not self.log:
            most = max(3, int(abs(self.end - self.start) / 60))
            found = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(self.low, self.high)
            slack = 1e-9 * (self.high - self.low)
            return [float(one) for one in found if self.low - slack <= one <= self.high + slack]
        least = max(self.low, self.linear) or 1e-9
        powers = range(ceil(log10(least) - 1e-9), floor(log10(self.high) + 1e-9) + 1)
        every = max(1, ceil(len(powers) / max(1, abs(self.end - self.start) / 55)))
        return ([0.0] if self.low <= 0 else []) + [10.0**power for power in powers][::every]

    def _laid(self, value: float) -> float:
        if not self.log:
            return value
        if self.linear:
            return value / self.linear if value < self.linear else 1 + log10(value / self.linear)
        return log10(value)


def around(values: list[float], *, share: float = 0.06) -> tuple[float, float]:
    """The least and the most of values, with some room on either side."""
    low, high = min(values), max(values)
    room = share * (high - low) or 0.05 * (abs(high) or 1)
    return low - room, high + room


def tick(value: float) -> str:
    """A number at an axis: .2, 10, 0.001 as .001, 1,000."""
    if value and (abs(value) >= 1e5 or abs(value) < 1e-4):
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
    said = f"{value:,.4f}".rstrip("0").rstrip(".") or "0"
    return said.replace("-0.", "-.", 1) if said.startswith("-0.") else said.removeprefix("0") if value % 1 else said


def below(drawing: Drawing, scale: Scale, top: float, bottom: float, title: str) -> None:
    """An axis along the bottom."""
    for value in scale.ticks():
        drawing.line([(scale(value), top), (scale(value), bottom)], "grid")
        drawing.text(scale(value), bottom + 12, tick(value), anchor="middle", colour="muted", size=SMALL)
    drawing.line([(scale.start, bottom), (scale.end, bottom)], "muted")
    drawing.text((scale.start + scale.end) / 2, bottom + 29, title, anchor="middle", colour="muted", size=SMALL)


def beside(drawing: Drawing, scale: Scale, left: float, right: float, title: str) -> None:
    """An axis along the left."""
    for value in scale.ticks():
        drawing.line([(left, scale(value)), (right, scale(value))], "grid")
        drawing.text(left - 6, scale(value), tick(value), anchor="end", colour="muted", size=SMALL)
    drawing.line([(left, scale.start), (left, scale.end)], "muted")
    middle = (scale.start + scale.end) / 2
    drawing.text(left - 42, middle, title, anchor="middle", colour="muted", size=SMALL, turned=True)
