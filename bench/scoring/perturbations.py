"""The perturbed images that a metric may ask the net to score, described without pixels or devices (see blend.py)."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..data.types import Mask

Fill = Literal["mean", "black", "blur", "box"]  # what replaces removed pixels
TieOrder = Literal["reading", "reverse"]
Ties = int | TieOrder  # how equal pixels rank


@dataclass(frozen=True)
class Kept:
    """The image where a pixel's rank r is first <= r < last (0 is the map's highest value), the fill elsewhere.

    Equal pixels rank in `reading` order, in `reverse` reading order, or in an order shuffled by the seed `ties`.
    """

    first: int
    last: int
    fill: Fill
    ties: Ties = "reading"


@dataclass(frozen=True)
class Masked:
    """The image weighted by the map in [0, 1], plus the fill weighted by 1 - map; `inverse` swaps the weights.

    With `top`, all pixels but the map's `top` highest count as 0.
    """

    fill: Fill
    top: int | None = None
    inverse: bool = False


@dataclass(frozen=True)
class Clean:
    """The unperturbed image."""


@dataclass(frozen=True, eq=False)
class Inside:
    """The image inside a boolean mask (h, w), the fill outside."""

    mask: Mask
    fill: Fill


@dataclass(frozen=True, eq=False)
class Custom:
    """An image (3, h, w) in [0, 1] that the metric computed itself, on the net's device."""

    image: Tensor


Perturbed = Kept | Masked | Clean | Inside | Custom

Bounds = tuple[tuple[int, int], ...]  # (first, last) of each image, as in Kept


@dataclass(frozen=True)
class KeptSeries:
    """A curve of images: one `Kept` for each of the bounds, all with one fill and one order of equal pixels."""

    bounds: Bounds
    fill: Fill
    ties: Ties = "reading"

    def __len__(self) -> int:
        return len(self.bounds)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # a series is looked up for every map
        return hash((self.bounds, self.fill, self.ties))


@dataclass(frozen=True, eq=False)
class RegionSeries:
    """A curve of images over regions: as `KeptSeries`, but each pixel has the rank of its region instead of its own."""

    ranks: NDArray[Any]  # (h, w), whole numbers
    bounds: Bounds
    fill: Fill

    def __len__(self) -> int:
        return len(self.bounds)


@dataclass(frozen=True, eq=False)
class InsideSeries:
    """The image inside each of some boolean masks (n, h, w), the fill outside."""

    masks: NDArray[np.bool_]
    fill: Fill

    def __len__(self) -> int:
        return len(self.masks)


@dataclass(frozen=True, eq=False)
class CustomSeries:
    """Images (n, 3, h, w) in [0, 1] that the metric computed itself, on the net's device."""

    images: Tensor

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class ImputedSeries:
    """A curve of images whose missing pixels are imputed from their neighbours (see impute.py), plus noise.

    Missing are the pixels whose rank is within the bounds; `ascending` ranks count from the map's lowest value. With
    `thresholds`, which replace the bounds, they are those at or above each of these values of the map, or of 1 - map.
    """

    bounds: Bounds
    noise: Tensor  # (3, h, w), added to imputed pixels
    ascending: bool = False
    thresholds: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.thresholds or self.bounds)


Series = KeptSeries | RegionSeries | InsideSeries | CustomSeries | ImputedSeries
