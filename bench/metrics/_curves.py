"""The course of a curve: pixels of the map, or cells of its own grid, traded step by step, the highest first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from ..core.errors import NotApplicable
from ..data.types import Mask
from ..scoring.blend import ranks
from ..scoring.case import Asking, Case, Curve, Question, stages
from ..scoring.perturbations import Clean, Kept, Shown, Substrate

Size = tuple[int, ...]
Way = Literal["in", "out"]
MOST = 14 * 14  # steps of cells, about: a step is so many cells rounded down, as in Gomez et al.'s code
APART = 10_000  # between the orders of two seeds


@dataclass(frozen=True)
class Course:
    """How many units, pixels or cells, are traded at each point of a curve, and which share of all that is."""

    case: Case
    counts: list[int]
    shares: list[float]
    cells: bool = False

    def inserted(self, substrate: Substrate) -> list[Question]:
        """The substrate with the units traded so far shown."""
        return self._cells(substrate, "in") if self.cells else [Kept(0, count, substrate) for count in self.counts]

    def removed(self, substrate: Substrate) -> list[Question]:
        """The image with the units traded so far gone."""
        pixels = self.case.pixels
        return self._cells(substrate, "out") if self.cells else [Kept(n, pixels, substrate) for n in self.counts]

    def values(self) -> list[float]:
        """The mean of the map over the units of each step."""
        falling = np.sort(self.case.raw if self.cells else self.case.map, axis=None)[::-1].astype(np.float64)
        return [float(falling[start:stop].mean()) for start, stop in pairwise(self.counts)]

    def _cells(self, substrate: Substrate, way: Way) -> list[Question]:
        raw = self.case.raw
        return list(_shown(raw.tobytes(), raw.shape, self.case.map.shape, tuple(self.counts), substrate, way))


def course(case: Case, steps: int, *, cells: bool = False, even: bool = False) -> Course:
    """In so many steps of equal size, rounded up, the last smaller; or `even`, xplique's: rounded down, weighed alike.

    With `cells` a step is a cell, however many steps that makes; of twice MOST cells two, and so on.
    """
    units = case.raw.size if cells else case.pixels
    if cells:
        counts = [*range(0, units, max(1, units // MOST)), units]
        return Course(case, counts, [count / units for count in counts], cells)
    if even:
        counts = [int(count) for count in np.linspace(0, units, steps + 1, dtype=np.int64)]
        return Course(case, counts, [step / steps for step in range(steps + 1)], cells)
    counts = stages(units, steps)
    return Course(case, counts, [count / units for count in counts], cells)


@lru_cache(maxsize=4)  # metrics of the same curve get the same objects, whose scores are then asked for once
def _shown(
    raw: bytes, grid: Size, size: Size, counts: tuple[int, ...], substrate: Substrate, way: Way
) -> tuple[Question, ...]:
    """The image inside the cells of first rank, or outside them; a pixel is of the cell nearest to it."""
    values = torch.from_numpy(np.frombuffer(raw, dtype=np.float32).reshape(grid).copy())
    rank = interpolate(ranks(values[None])[None].float(), list(size), mode="nearest")[0, 0].numpy()
    return tuple(_question(rank < count if way == "in" else rank >= count, substrate) for count in counts)


def _question(mask: Mask, substrate: Substrate) -> Question:
    if mask.all():
        return Clean()
    return Shown(mask, substrate) if mask.any() else Kept(0, 0, substrate)


def normalised(scores: list[float], bare: float, whole: float) -> list[float]:
    """Scores as shares of the way from the image with its information removed to the whole image. Raises NotApplicable."""
    if whole <= bare:
        raise NotApplicable("the image scores no higher than what is left of it without its information")
    return [min(max((score - bare) / (whole - bare), 0.0), 1.0) for score in scores]


def tie_spread(
    case: Case, steps: int, orders: int, seed: int, image: Callable[[int, int | None], Kept]
) -> Asking[float]:
    """The highest less the lowest area over seeded orders of equal pixels; `image` is that of a count and an order.

    Where the last pixel traded differs from the next, the order is all the same: that image is asked for once.
    """
    counts = stages(case.pixels, steps)
    falling = np.sort(case.map, axis=None)[::-1]
    parted = {count for count in counts[1:-1] if falling[count - 1] == falling[count]}
    seeds = range(seed * APART, seed * APART + orders)  # more orders contain fewer
    scores = yield [image(count, order if count in parted else None) for order in seeds for count in counts]
    shares = [count / case.pixels for count in counts]
    curves = [Curve(shares, scores[start : start + len(counts)]) for start in range(0, len(scores), len(counts))]
    areas = [curve.area for curve in curves]
    return max(areas) - min(areas)
