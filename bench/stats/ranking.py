"""The ranking of methods on one net by one metric, and which differences in it are significant."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf

import numpy as np
import pandas as pd

from .estimate import Estimate, estimate_columns, estimate_mean
from .frames import keep_ranked, list_scarce
from .mean_scores import Metric, choose_bounds, is_binary
from .paired import Pair, compare_pairs, pair_methods
from .significance import count_decisive_images
from .summary import Table


@dataclass(frozen=True)
class RankedMethod:
    """A method in a ranking."""

    method: str
    estimate: Estimate
    control: bool
    next_pair: Pair | None  # this method against the next one in the ranking; None for the last
    best_pair: Pair | None  # the best method that is not a control against this one; None for the best itself


@dataclass(frozen=True)
class Ranking:
    """The methods, best first, on the n images for which all of them have a value."""

    methods: tuple[RankedMethod, ...]
    n: int
    left_out: tuple[str, ...]  # methods without any value, or with values on fewer than half as many images as another
    better: str  # higher or lower
    bounds: tuple[float, float]  # the range of the metric

    @property
    def best(self) -> RankedMethod | None:
        """The best method that is not a control."""
        return next((ranked for ranked in self.methods if not ranked.control), None)

    @property
    def decisive_images(self) -> int:
        """The least number of images on which a test can tell the best method from another."""
        candidates = sum(not ranked.control for ranked in self.methods)
        return ceil(count_decisive_images(correct_for_choice(candidates) * max(len(self.methods) - 1, 1)))

    @property
    def top_group(self) -> tuple[str, ...]:
        """The best method and all others that do not differ significantly from it, without the controls; best first."""
        methods = [ranked for ranked in self.methods if not ranked.control]
        return tuple(
            ranked.method for ranked in methods if ranked.best_pair is None or ranked.best_pair.verdict == "undecided"
        )


def rank_by_metric(table: Table, metric: Metric) -> Ranking:
    """Rank the methods of a net by a metric of its table; see `rank_methods`."""
    values = table.values[metric.spec]
    return rank_methods(
        values, better=metric.better, controls=table.controls, binary=is_binary(metric.unit),
        bounds=choose_bounds(metric, values.to_numpy()), ties=table.values.get(metric.tie_metric),
    )  # fmt: skip


def rank_methods(
    values: pd.DataFrame, *, better: str, controls: Sequence[str] = (), binary: bool = False,
    bounds: tuple[float, float] = (-inf, inf), ties: pd.DataFrame | None = None,
) -> Ranking:  # fmt: skip
    """Rank the methods, columns of `values` with one row per image, by their means over the images that all have.

    A method with values on fewer than half as many images as another is left out: it would leave too few for the others
    (`list_scarce`).

    `better` is higher or lower, and `bounds` is the range of the metric, infinite where it has no bound: the intervals of the
    means are cut to it. `ties` says how much the order of equal pixels moves each value, in the same rows and columns.
    The comparisons of neighbours are one family of Holm's correction, those of the best method with all others another. The
    best of m methods is chosen by the same scores, so p-values of its comparisons are also multiplied by m / 2.
    """
    left_out, shared = tuple(list_scarce(values)), keep_ranked(values)
    if binary:
        means = [estimate_mean(shared[method], binary=True, bounds=bounds) for method in shared]
    else:
        means = estimate_columns(shared.to_numpy(dtype=np.float64), bounds=bounds)
    estimates = dict(zip(map(str, shared.columns), means, strict=True)) if len(shared) else {}
    order = sorted(estimates, key=lambda method: estimates[method].mean * (-1 if better == "higher" else 1))
    best = next((method for method in order if method not in controls), "")
    neighbours, rivals = list(pairwise(order)), [(best, method) for method in order if best and method != best]
    effects = None if ties is None else ties.loc[shared.index]
    samples = pair_methods(shared, [*neighbours, *rivals], better=better, binary=binary, ties=effects)
    families = ["neighbours"] * len(neighbours) + ["rivals"] * len(rivals)
    factor = correct_for_choice(sum(method not in controls for method in order))
    pairs = compare_pairs(samples, families=families, factors={"rivals": factor})
    next_pairs = {pair.first: pair for pair in pairs[: len(neighbours)]}
    best_pairs = {pair.second: pair for pair in pairs[len(neighbours) :]}
    methods = tuple(
        RankedMethod(method, estimates[method], method in controls, next_pairs.get(method), best_pairs.get(method))
        for method in order
    )
    return Ranking(methods, len(shared), left_out, better, bounds)


def correct_for_choice(candidates: int) -> float:
    """Return the factor by which p-values of the best of so many methods are multiplied, because the scores have chosen it.

    A family of Holm's correction for each method that may come out best, and the one-sided error of each: m families, half
    the error.
    """
    return max(1.0, candidates / 2)
