"""A race of methods on one net: which are surely behind, which are left, and which scores are needed next.

All of it follows from the scores, so that a race goes on where it stopped, and a report shows it from the record alone.

Methods are scored on the images in one order. By each metric, a pair of methods is compared on the images that both have. The
evidence is valid after every image (sequences.py), and the claims on all pairs by all metrics are wrong with a probability of
at most 1 - confidence: the level is divided by the number of pairs and metrics. Of the claims on a pair by a metric, at most
one can be wrong, because they follow from two one-sided sequences, only one of which the true difference can contradict.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from .estimate import Floats, are_alike, find_rounding
from .sequences import NEVER, Counts, count_until_sure

FIRST = 8  # images after which methods are compared for the first time
GROWTH = 4  # a round adds a quarter of the images that a method has, and at least FIRST
DISTINCT = 4  # values that two methods must share before their scores count as the same
CHEAP = 100.0  # forwards: the least price of a map, about what scoring it costs

MANY = 1_000  # images, which make every difference sure that is worth a warning

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """How sure a race is, in (0, 1), and the difference that does not matter, as a share of a metric's range."""

    confidence: float = 0.95
    slack: float = 0.02


@dataclass(frozen=True)
class Board:
    """What is known of the methods of a race, m metrics, k methods and n images."""

    controls: Mask  # (k,)
    goodness: Floats  # (m, k, n): the scores in [0, 1], 1 the best; NaN for none
    forwards: Floats  # (k,): the work of one map in units of one prediction; NaN if it is not known
    scored: Counts  # (k,): the number of images on which each method was scored, or has failed
    images: int  # on which methods can be scored
    rules: Rules = Rules()

    @property
    def alpha(self) -> float:
        """The level of each sequence."""
        controls = int(self.controls.sum())
        methods = len(self.controls) - controls
        pairs = methods * (methods - 1) // 2 + methods * controls
        return (1 - self.rules.confidence) / max(1, pairs * len(self.goodness))

    def find_smallest_difference(self) -> float | None:
        """Find the smallest difference, as a share of a metric's range and in steps of 5 %, that the images can make sure.

        The difference is the same on every image: one that varies needs more of them. None if they are too few for any.
        """
        steps = np.linspace(0.05, 1, 20)
        images = min(self.images, MANY)
        sure = steps[count_until_sure(np.broadcast_to(steps, (images, len(steps))), 0.0, self.alpha) <= images]
        return float(sure[0]) if len(sure) else None

    @cached_property
    def ahead(self) -> Counts:
        """After how many images the first method is surely better than the second: (m, k, k)."""
        return self._count_until_sure(0, np.arange(len(self.controls)))

    @cached_property
    def within(self) -> Counts:
        """After how many images the first method is surely less than the slack worse than the second: (m, k, k).

        Where one of them is a control, nobody asks, and it is NEVER.
        """
        return self._count_until_sure(self.rules.slack, np.flatnonzero(~self.controls))

    def _count_until_sure(self, margin: float, methods: Counts) -> Counts:
        counts = np.full((len(self.goodness), len(self.controls), len(self.controls)), NEVER)
        for of_metric, counted in zip(self.goodness, counts, strict=True):
            for method in methods:
                differences = of_metric[method] - of_metric[methods]
                counted[method, methods] = count_until_sure(differences.T, margin, self.alpha)
        return counts

    @cached_property
    def first_scores(self) -> Counts:
        """After how many images a method has a score by a metric: (m, k)."""
        known = ~np.isnan(self.goodness)
        return np.where(known.any(2), known.argmax(2) + 1, NEVER) if known.shape[2] else np.full(known.shape[:2], NEVER)

    @cached_property
    def ranks(self) -> Counts:
        """The ranks of the methods by price (k,): 0 is the cheapest, and of equals the first.

        Forwards are compared to one decimal, as in the price of a method elsewhere.
        """
        return np.argsort(np.argsort(np.nan_to_num(self.forwards, nan=np.inf).round(1), kind="stable"))

    @cached_property
    def models(self) -> Counts:
        """The cheapest method with the same scores on the first images (k,): the method itself if no cheaper one has them."""
        order = np.argsort(self.ranks)
        return np.array(
            [next(other for other in order if self._are_alike(other, method)) for method in range(len(order))]
        )

    def _are_alike(self, first: int, second: int) -> bool:
        """Tell whether two methods have the same scores on the first images, and enough different ones to be sure of that."""
        if first == second:
            return True
        if self.controls[first] or self.controls[second] or self.goodness.shape[2] < FIRST:
            return False
        own, other = self.goodness[:, first, :FIRST], self.goodness[:, second, :FIRST]  # by metric and image
        if not all(map(are_alike, own, other)):
            return False
        return max(map(_count_distinct, own, other)) >= DISTINCT


def _count_distinct(own: Floats, other: Floats) -> int:
    """Count the values of the first of two methods that differ by more than the rounding of both."""
    return len(np.unique((own[~np.isnan(own)] / find_rounding([own, other])).round()))


@dataclass(frozen=True)
class Stage:
    """A race when each method was scored on so many images. Masks have an element for each method (k), or pair (k, k)."""

    board: Board
    counts: Counts  # (k,)

    @cached_property
    def shared(self) -> Counts:
        """The number of images that a pair has (k, k)."""
        return np.minimum.outer(self.counts, self.counts)

    @cached_property
    def relevant(self) -> Mask:
        """The metrics by which any method has a score (m,)."""
        return np.asarray(self._scored.any(1))

    @cached_property
    def _scored(self) -> Mask:
        return self.board.first_scores <= self.counts

    @cached_property
    def ahead(self) -> Mask:
        """Whether the first method is surely better than the second (m, k, k)."""
        return self.board.ahead <= self.shared

    @cached_property
    def unscored(self) -> Mask:
        """The methods that have no score by a metric by which others have one."""
        missing = (~self._scored & self.relevant[:, None]).any(0) | ~self._scored.any(0)
        return missing & (self.counts >= FIRST)

    @cached_property
    def behind(self) -> Mask:
        """The methods that are surely worse than another method or a control, by any metric."""
        return np.asarray(self.ahead.any((0, 1)))

    @cached_property
    def shadowed(self) -> Mask:
        """The methods that have the same scores as a cheaper one."""
        models = self.board.models
        known = (self.counts >= FIRST) & (self.counts[models] >= FIRST)
        return known & (models != np.arange(len(models)))

    @cached_property
    def remaining(self) -> Mask:
        """The methods that may be the best."""
        return ~(self.board.controls | self.unscored | self.behind | self.shadowed)

    @cached_property
    def cheapest(self) -> int | None:
        """The cheapest of the remaining methods."""
        indices = np.flatnonzero(self.remaining)
        return int(indices[self.board.ranks[indices].argmin()]) if len(indices) else None

    @cached_property
    def covered(self) -> Mask:
        """The remaining methods that are surely less than the slack better than the cheapest one, by every metric."""
        if self.cheapest is None:
            return np.zeros_like(self.remaining)
        close = (self.board.within <= self.shared)[self.relevant, self.cheapest].all(0) & self.relevant.any()
        return self.remaining & close & (np.arange(len(close)) != self.cheapest)

    @cached_property
    def beats(self) -> Mask:
        """Whether the first method is surely better than the second by every metric (k, k)."""
        return np.asarray(self.ahead[self.relevant].all(0) & self.relevant.any())

    @cached_property
    def proven(self) -> Mask:
        """The remaining methods that are surely better than every control, by every metric."""
        return self.remaining & self.beats[:, self.board.controls].all(1)

    @cached_property
    def open(self) -> Mask:
        """The pairs that must be compared on more images (k, k), each in both orders."""
        contenders = self.remaining & ~self.covered
        pairs = np.outer(contenders, contenders) & ~np.eye(len(contenders), dtype=bool)
        unproven = np.outer(contenders, self.board.controls) & ~self.beats
        return pairs | unproven | unproven.T

    @cached_property
    def targets(self) -> dict[int, int]:
        """The methods to score next, and the number of images on which each is to be scored then; none when the race is over.

        Of a pair, the method with fewer images goes on. Of all that can go on, those go on that have then cost the least.
        """
        if not self.counts.any():
            return dict.fromkeys(range(len(self.counts)), 1)
        waiting = (self.open & (self.counts[:, None] <= self.counts)).any(1) & (self.counts < self.board.images)
        if not waiting.any():
            return {}
        following = np.minimum(_count_next(self.counts), self.board.images)
        costs = np.where(waiting, following * np.fmax(self.board.forwards, CHEAP), np.inf)
        return {int(method): int(following[method]) for method in np.flatnonzero(costs <= costs.min() * (1 + 1e-9))}


def play(board: Board) -> Stage:
    """Play a race as far as the scores reach. It is over if there are no `targets`."""
    stage = Stage(board, np.zeros(len(board.controls), dtype=np.int64))
    while stage.targets and all(board.scored[method] >= count for method, count in stage.targets.items()):
        counts = stage.counts.copy()
        counts[list(stage.targets)] = list(stage.targets.values())
        stage = Stage(board, counts)
    return stage


def is_round(count: int) -> bool:
    """Tell whether a round ends after so many images."""
    end = 1
    while end < count:
        end = int(_count_next(np.array(end)))
    return end == count


def _count_next(counts: Counts) -> Counts:
    """Return the number of images after the next round: 1, 8, 16, ..., 64, 80, 96, 120, ..."""
    return np.where(counts == 1, FIRST, counts + np.maximum(1, counts // (GROWTH * FIRST)) * FIRST)
