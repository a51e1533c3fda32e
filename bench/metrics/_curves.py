"""The order and the steps of insertion and deletion curves: pixels, or cells of the map's own grid, the highest first."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, pairwise
from typing import Literal

import numpy as np
import torch
from torch.nn.functional import interpolate

from ..core.errors import NotApplicable
from ..scoring.blend import rank_pixels
from ..scoring.case import Asking, Case, Curve, Question, list_cumulative_counts
from ..scoring.perturbations import Bounds, Clean, Fill, Kept, KeptSeries, RegionSeries, TieOrder, Ties

Shape = tuple[int, ...]
Direction = Literal["insert", "remove"]
CELL_STEPS = 14 * 14  # about the most steps of cells; a step is cells // CELL_STEPS cells, as in Gomez et al.'s code
SEED_STRIDE = 10_000  # between the orders of two seeds


@dataclass(frozen=True)
class Schedule:
    """How many units (pixels or cells) are exchanged at each point of a curve, and which share of all units that is.

    `ties` is the order of equal units.
    """

    case: Case
    counts: tuple[int, ...]
    shares: list[float]
    cells: bool = False
    ties: TieOrder = "reading"

    def list_insertion_images(self, fill: Fill) -> list[Question]:
        """Return the images of an insertion curve: the fill with the units exchanged so far shown."""
        if self.cells:
            return self._list_cell_images(fill, "insert")
        return [_make_series(self.counts, self.case.pixels, fill, "insert", self.ties)]

    def list_deletion_images(self, fill: Fill) -> list[Question]:
        """Return the images of a deletion curve: the image with the units exchanged so far replaced by the fill."""
        if self.cells:
            return self._list_cell_images(fill, "remove")
        return [_make_series(self.counts, self.case.pixels, fill, "remove", self.ties)]

    def compute_step_means(self) -> list[float]:
        """Return the mean of the map over the units of each step."""
        descending = np.sort(self.case.raw if self.cells else self.case.map, axis=None)[::-1].astype(np.float64)
        return [float(descending[start:stop].mean()) for start, stop in pairwise(self.counts)]

    def _list_cell_images(self, fill: Fill, direction: Direction) -> list[Question]:
        raw, counts = self.case.raw, self.counts[1:-1]
        bounds = tuple((0, count) if direction == "insert" else (count, self.counts[-1]) for count in counts)
        series = _make_cell_series(raw.tobytes(), raw.shape, self.case.size, bounds, fill, ties=self.ties)
        ends: list[Question] = [Kept(0, 0, fill), Clean()]
        first, last = ends if direction == "insert" else ends[::-1]
        return [first, series, last] if bounds else [first, last]


def make_schedule(
    case: Case, steps: int, *, cells: bool = False, even: bool = False, ties: TieOrder = "reading"
) -> Schedule:
    """Make a schedule of `steps` steps of pixels: by default of equal size, rounded up, so that the last may be smaller.

    `even` steps are xplique's: sizes are rounded down, and all steps have the same width. With `cells` a step is one cell of
    the map's own grid, whatever `steps` is; from twice CELL_STEPS cells on it is two cells, and so on. Equal units come in
    reading order, or in reverse.
    """
    counts, shares = _list_steps(case.raw.size if cells else case.pixels, steps, cells=cells, even=even)
    return Schedule(case, counts, list(shares), cells, ties)


@lru_cache(maxsize=64)  # the curves of all maps of an image size are equal
def _list_steps(units: int, steps: int, *, cells: bool, even: bool) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Return how many units are exchanged at each point of a curve, and the share of all units at each."""
    if even and not cells:
        counts = tuple(np.linspace(0, units, steps + 1, dtype=np.int64).tolist())
        return counts, tuple(step / steps for step in range(steps + 1))
    step = max(1, units // CELL_STEPS)
    counts = (*range(0, units, step), units) if cells else tuple(list_cumulative_counts(units, steps))
    return counts, tuple(count / units for count in counts)


@lru_cache(maxsize=64)  # the curves of all maps of an image size are equal
def _make_series(counts: tuple[int, ...], pixels: int, fill: Fill, direction: Direction, ties: Ties) -> KeptSeries:
    """Return a curve over pixels, of which these numbers have been exchanged."""
    bounds = tuple((0, count) if direction == "insert" else (count, pixels) for count in counts)
    return KeptSeries(bounds, fill, ties)


@lru_cache(maxsize=256)  # metrics of the same curve get the same object, which is then scored once
def _make_cell_series(raw: bytes, grid: Shape, size: Shape, bounds: Bounds, fill: Fill, *, ties: Ties) -> RegionSeries:
    """Return a curve over the cells of a map (h', w'); a pixel of the image belongs to the cell nearest to it."""
    values = torch.from_numpy(np.frombuffer(raw, dtype=np.float32).reshape(grid).copy())
    ranks = interpolate(rank_pixels(values[None], ties)[None].float(), list(size), mode="nearest")[0, 0]
    return RegionSeries(ranks.numpy(), bounds, fill)


def normalise(scores: list[float], *, fill_score: float, image_score: float) -> list[float]:
    """Rescale scores to 0 for the fill alone and 1 for the whole image, and clip them to [0, 1].

    Raise NotApplicable if the image does not score higher than the fill.
    """
    if image_score <= fill_score:
        raise NotApplicable("the image scores no higher than the fill alone, so its curve cannot be normalised")
    width = image_score - fill_score
    return [min(max((score - fill_score) / width, 0.0), 1.0) for score in scores]


def measure_tie_spread(
    case: Case, steps: int, orders: int, seed: int, image: Callable[[int, Ties], Kept]
) -> Asking[float]:
    """Return the highest minus the lowest area over seeded orders of equal pixels.

    `image` returns the perturbed image for a pixel count and a tie order. If the last pixel exchanged differs from the
    next one, the order of ties does not matter: the image is scored once.
    """
    counts = list_cumulative_counts(case.pixels, steps)
    descending = np.sort(case.map, axis=None)[::-1]
    split_ties = {count for count in counts[1:-1] if descending[count - 1] == descending[count]}
    seeds = range(seed * SEED_STRIDE, seed * SEED_STRIDE + orders)  # so that more orders include the fewer
    images = [image(count, order if count in split_ties else "reading") for order in seeds for count in counts]
    scores = yield _join_images(images)
    shares = [count / case.pixels for count in counts]
    curves = [Curve(shares, scores[start : start + len(counts)]) for start in range(0, len(scores), len(counts))]
    areas = [curve.area for curve in curves]
    return max(areas) - min(areas)


def _join_images(images: list[Kept]) -> list[Question]:
    """Join neighbouring images of one order of ties to series."""
    groups = groupby(images, key=lambda image: (image.fill, image.ties))
    return [KeptSeries(tuple((image.first, image.last) for image in group), *key) for key, group in groups]
