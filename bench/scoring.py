"""Scores of an image's maps: every metric of every map, their questions to the net answered together in full batches.

A metric is handed a case. One that needs the net is a generator: it yields the perturbed images that it wants scored, is
sent the target's softmax scores in that order, and returns its score. Images that several ask for are scored once.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from inspect import isgenerator
from typing import Annotated, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from .errors import NotApplicable
from .images import Mask, Object
from .nets import Net
from .perturb import Perturbed, blends, canonical
from .plugins import Plugin

Answer = TypeVar("Answer")
Asking = Generator[list[Perturbed], list[float], Answer]
FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """A map, fitted to its image and in [0, 1], the class that it explains, and the image's objects."""

    map: FloatMap  # (h, w)
    target: int
    objects: tuple[Object, ...]

    @property
    def pixels(self) -> int:
        return self.map.size

    @property
    def asked(self) -> Mask:
        """Where the objects of the target class are. Raises NotApplicable where there is none."""
        return self._union("no object of the class explained is marked in the image", same=True)

    @property
    def others(self) -> Mask:
        """Where objects of other classes are, the target's being there too. Raises NotApplicable where either is missing."""
        return self._union("no object of another class is marked in the image", same=False) & ~self.asked

    def _union(self, missing: str, *, same: bool) -> Mask:
        masks = [thing.mask for thing in self.objects if (thing.label == self.target) is same]
        if not masks:
            raise NotApplicable(missing)
        union: Mask = np.logical_or.reduce(masks)
        return union


@dataclass(frozen=True)
class Curve:
    """A class score against the share of pixels traded, both in [0, 1]."""

    shares: list[float]
    scores: list[float]

    @property
    def area(self) -> float:
        """The trapezoid rule, over the shares as they are."""
        return float(np.trapezoid(self.scores, self.shares))


Steps = Annotated[int, Field(ge=1)]
Score = float | Curve | NotApplicable


def score(
    net: Net, image: Tensor, target: int, maps: Tensor, objects: tuple[Object, ...], metrics: Sequence[Plugin]
) -> list[list[Score]]:
    """The score of each map (n, h, w) of an image (3, h, w) by each metric: n lists of as many scores as metrics."""
    cases = [Case(_read_only(one), target, objects) for one in maps.float().cpu().numpy()]
    played = [[_start(metric, case) for metric in metrics] for case in cases]
    known: dict[tuple[int, Perturbed], float] = {}
    while pending := [(n, play) for n, row in enumerate(played) for play in row if play.wanted]:
        keys = {canonical(n, kind, maps[0].numel()): None for n, play in pending for kind in play.wanted}
        new = [key for key in keys if key not in known]
        if new:
            known |= dict(zip(new, net.scores(blends(image, maps, new))[:, target].tolist(), strict=True))
        for n, play in pending:
            play.answer([known[canonical(n, kind, maps[0].numel())] for kind in play.wanted])
    return [[play.score for play in row] for row in played]


class _Play:
    """A metric in the course of scoring a case: what it wants now, and at the end its score."""

    def __init__(self, given: Any) -> None:
        self._asking: Asking[Score] | None = cast(Asking[Score], given) if isgenerator(given) else None
        self.wanted: list[Perturbed] = []
        self.score: Score = float("nan") if self._asking else given
        if self._asking:
            self._go_on(lambda asking: next(asking))

    def answer(self, scores: list[float]) -> None:
        self._go_on(lambda asking: asking.send(scores))

    def _go_on(self, step: Callable[[Asking[Score]], list[Perturbed]]) -> None:
        assert self._asking is not None
        try:
            self.wanted = step(self._asking)
        except StopIteration as end:
            self.wanted, self.score = [], end.value
        except NotApplicable as reason:
            self.wanted, self.score = [], reason


def _read_only(map: FloatMap) -> FloatMap:
    """A copy: on a CPU the array shares its memory with the tensor that other metrics score."""
    copy = map.copy()
    copy.flags.writeable = False
    return copy


def _start(metric: Plugin, case: Case) -> _Play:
    try:
        return _Play(metric(case))
    except NotApplicable as reason:
        return _Play(reason)


def stages(pixels: int, steps: int) -> list[int]:
    """How many pixels are traded at each point of a curve: 0, a step, ..., all; a step is ceil(pixels / steps)."""
    step = -(-pixels // steps)
    return [*range(0, pixels, step), pixels]


def share_on(mask: Mask, map: FloatMap) -> float:
    """The share of a map (h, w) inside a mask; a constant map is everywhere alike, so its share is the mask's area."""
    total = float(map.sum(dtype=np.float64))
    return float(map[mask].sum(dtype=np.float64)) / total if total else float(mask.mean())
