"""What a metric receives, what it may ask of the net and the method, and what it returns.

A metric that needs the net is a generator: it yields a list of perturbed images, is sent the target's score of each in that
order, and finally returns its own score.
"""

from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ..core.errors import NotApplicable
from ..data.seeds import hash_pixels
from ..data.types import Mask, Object
from .perturbations import Perturbed, Series

Result = TypeVar("Result")
FloatMap = NDArray[np.float32]
Steps = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class IsTop1:
    """Asks whether the target is the top-1 class of a perturbed image: 1 or 0 instead of the target's score."""

    image: Perturbed | Series


@dataclass(frozen=True)
class MapOf:
    """Asks for the method's map (h, w) of a perturbed image, for the same target, fitted and stretched as `Case.map`."""

    image: Perturbed | Series


@dataclass(frozen=True)
class RandomisedMap:
    """Asks for the method's map (h, w) in [0, 1] on a net whose last layers, this share of all, have random weights."""

    share: float
    seed: int


MapQuestion = MapOf | RandomisedMap


@dataclass(frozen=True, eq=False)
class MapValue:
    """Asks for a number of the map, computed on the net's device for many maps at once.

    `compute` receives maps (n, h, w) in [0, 1] and returns a number (n,) for each, which depends on that map alone. Given a
    mask of the image, it also receives masks (n, h, w), 1 inside and 0 outside, of the maps' type. If the map is compared with
    other maps of its method, it receives these (n, h, w) last, and there is a number for each of them.

    All cases share a call if `compute` is one function for all of them, at the top level of a module. A mask that `Case.once`
    has made is moved to the device once.
    """

    compute: Callable[..., Tensor]
    mask: Mask | None = None  # (h, w)
    other: MapQuestion | None = None


Question = Perturbed | Series | IsTop1 | MapValue
Asking = Generator[list[Question], list[float], Result]  # what a metric returns that asks for numbers
AskingMaps = Generator[list[Any], list[Any], Result]  # ... a metric that asks for maps too, which are arrays (h, w)


def find_map_question(question: Question | MapQuestion) -> MapQuestion | None:
    """Return what a question asks of the method; None if it asks nothing of it."""
    asked = question.other if isinstance(question, MapValue) else question
    return asked if isinstance(asked, MapQuestion) else None


class Explainer(Protocol):
    """A method that makes maps (n, h, w) in [0, 1] of many images (n, 3, h, w) at once, each with its target and its seed."""

    def explain(self, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
        """Return the maps of images, on the net's device."""

    def explain_randomised(
        self, share: float, seed: int, images: Tensor, targets: Sequence[int], seeds: Sequence[int]
    ) -> Tensor:
        """Return the maps on the net whose last layers, this share of all, have random weights, drawn from the seed."""


@dataclass(frozen=True)
class Rerun:
    """Runs the method that made a map again, for the same target; its maps are fitted and stretched in the same way."""

    explain: Callable[[Tensor], FloatMap]  # images (n, 3, h, w) in [0, 1] -> maps (n, h, w) in [0, 1]
    randomised: Callable[[float, int], FloatMap]  # share of the net's layers, from the last, and a seed -> map (h, w)
    explainer: Explainer | None = None  # for many images at once; None to explain each image by the functions above


@dataclass(frozen=True)
class Case:
    """A map, the class that it explains, and its image: what a metric scores."""

    fitted: FloatMap | Callable[[], FloatMap]  # see `map`; a function that returns it, or the map itself
    target: int  # the class explained
    objects: tuple[Object, ...]  # in the image, with their masks
    image: Tensor  # (3, h, w) in [0, 1], on the net's device; not to be written to
    raw: FloatMap  # (h', w'), as the method returned it; 0 everywhere if that is not finite
    method: Rerun | None = None
    image_seed: int | None = None  # of the data set's 8-bit pixels; None to compute it from `image`
    shared: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)  # see `once`

    @property
    def map(self) -> FloatMap:
        """The map (h, w) in [0, 1], fitted to the image and stretched; read-only. A GPU's is copied to the host when read."""
        return self.fitted() if callable(self.fitted) else self.fitted

    @property
    def size(self) -> tuple[int, int]:
        """The height and the width of the image, and of the map."""
        return self.image.shape[1], self.image.shape[2]

    @property
    def seed(self) -> int:
        """A number that depends on the image alone, and is the same on every device."""
        return hash_pixels(self.image[None])[0] if self.image_seed is None else self.image_seed

    def once(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """Return what `make` returns; it is called once for an image and a target, whatever the number of maps."""
        if key not in self.shared:
            self.shared[key] = make()
        value: Result = self.shared[key]
        return value

    @property
    def pixels(self) -> int:
        """The number of the map's pixels."""
        height, width = self.size
        return height * width

    @property
    def rerun(self) -> Rerun:
        """The method, to be run again. Raises NotApplicable if only the map is known."""
        if self.method is None:
            raise NotApplicable("the metric needs the method itself, and only its map is known")
        return self.method

    @property
    def target_mask(self) -> Mask:
        """The mask (h, w) of the target class's objects. Raises NotApplicable if there are none."""
        return self._join_masks("no object of the class explained is marked in the image", is_target=True)

    @property
    def distractor_mask(self) -> Mask:
        """The mask (h, w) of other classes' objects, outside the target's.

        Raises NotApplicable unless both the target class and another have objects in the image.
        """
        return (
            self._join_masks("no object of another class is marked in the image", is_target=False) & ~self.target_mask
        )

    def _join_masks(self, missing: str, *, is_target: bool) -> Mask:
        labelled = [marked for marked in self.objects if marked.label is not None]
        masks = [marked.mask for marked in labelled if (marked.label == self.target) is is_target]
        if not masks and len(labelled) < len(self.objects):
            raise NotApplicable("the net has no class for an object that is marked in the image")
        if not masks:
            raise NotApplicable(missing)
        union: Mask = np.logical_or.reduce(masks)
        return union


@dataclass(frozen=True)
class Curve:
    """A class score (or another value) against the share of pixels changed so far; its area is the metric's score.

    `value`, if it is given, is the score instead of the area.
    """

    shares: list[float]  # in [0, 1], ascending
    scores: list[float]
    value: float | None = None
    pictures: tuple[FloatMap, ...] = ()  # a map (h, w) for each point, of a curve over maps

    @property
    def area(self) -> float:
        """The metric's score: `value`, or the area under the curve by the trapezoid rule."""
        return _compute_area(self.shares, self.scores) if self.value is None else self.value


def _compute_area(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the area by the trapezoid rule. For the few points of a curve, NumPy takes five times as long."""
    return sum((right - left) * (a + b) for (left, right), (a, b) in zip(pairwise(x), pairwise(y), strict=True)) / 2


Score = float | Curve | NotApplicable


def list_cumulative_counts(total: int, steps: int) -> list[int]:
    """List how many of `total` units changed at each point of a curve: 0, a step, ..., all; a step is ceil(total / steps)."""
    step = -(-total // steps)
    return [*range(0, total, step), total]
