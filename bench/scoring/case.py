"""What a metric is handed, what it may ask of the net and of the method, and what it gives back.

A metric that needs the net is a generator: it yields the perturbed images that it wants scored, is sent the target's
scores in that order, and returns its score.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ..core.errors import NotApplicable
from ..data.types import Mask, Object
from .perturbations import Perturbed

Answer = TypeVar("Answer")
FloatMap = NDArray[np.float32]
Steps = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Top1:
    """Asks of a perturbed image not the target's score, but whether the target is the class with the highest (1 or 0)."""

    image: Perturbed


Question = Perturbed | Top1
Asking = Generator[list[Question], list[float], Answer]


@dataclass(frozen=True)
class Again:
    """The method that made a map, asked again for the same target; its maps are fitted and stretched as the first was."""

    explain: Callable[[Tensor], FloatMap]  # images (n, 3, h, w) in [0, 1] -> maps (n, h, w)
    randomised: Callable[[float, int], FloatMap]  # share of the net's layers, from the top, and seed -> map (h, w)


@dataclass(frozen=True)
class Case:
    """A map, fitted to its image and in [0, 1], the class that it explains, and what there is to know of the image."""

    map: FloatMap  # (h, w)
    target: int
    objects: tuple[Object, ...]
    image: Tensor  # (3, h, w) in [0, 1], on the net's device; not to be written to
    raw: FloatMap  # (h', w'), as the method gave it
    method: Again | None = None

    @property
    def pixels(self) -> int:
        return self.map.size

    @property
    def again(self) -> Again:
        """Raises NotApplicable where there is a map alone."""
        if self.method is None:
            raise NotApplicable("the method itself is not at hand, only its map")
        return self.method

    @property
    def asked(self) -> Mask:
        """Where the objects of the target class are. Raises NotApplicable where there is none."""
        return self._union("no object of the class explained is marked in the image", same=True)

    @property
    def others(self) -> Mask:
        """Where objects of other classes are, the target's being there too. Raises NotApplicable where either is missing."""
        return self._union("no object of another class is marked in the image", same=False) & ~self.asked

    def _union(self, missing: str, *, same: bool) -> Mask:
        known = [thing for thing in self.objects if thing.label is not None]
        masks = [thing.mask for thing in known if (thing.label == self.target) is same]
        if not masks and len(known) < len(self.objects):
            raise NotApplicable("an object is marked in the image, but its class is none of the net's")
        if not masks:
            raise NotApplicable(missing)
        union: Mask = np.logical_or.reduce(masks)
        return union


@dataclass(frozen=True)
class Curve:
    """A class score against the share of pixels traded, both in [0, 1]; its area is the score unless another is given."""

    shares: list[float]
    scores: list[float]
    value: float | None = None
    pictures: tuple[FloatMap, ...] = ()  # a map at each point, where the curve is one of maps

    @property
    def area(self) -> float:
        """The trapezoid rule, over the shares as they are."""
        return float(np.trapezoid(self.scores, self.shares)) if self.value is None else self.value


Score = float | Curve | NotApplicable


def stages(pixels: int, steps: int) -> list[int]:
    """How many pixels are traded at each point of a curve: 0, a step, ..., all; a step is ceil(pixels / steps)."""
    step = -(-pixels // steps)
    return [*range(0, pixels, step), pixels]


def share_on(mask: Mask, map: FloatMap) -> float:
    """The share of a map (h, w) inside a mask; a constant map is everywhere alike, so its share is the mask's area."""
    total = float(map.sum(dtype=np.float64))
    return float(map[mask].sum(dtype=np.float64)) / total if total else float(mask.mean())
