"""Many methods over blocks (net, data set, protocol): Friedman's test, and Nemenyi's critical difference of mean ranks."""

from dataclasses import dataclass
from functools import cache
from itertools import count
from math import inf, nan, sqrt

import numpy as np
import pandas as pd
from scipy.stats import binomtest, chi2, friedmanchisquare, rankdata, studentized_range

from .estimate import ALPHA, TIE, Floats


@dataclass(frozen=True)
class Ranks:
    """The mean ranks of methods over n blocks, the best first, and which groups of them these blocks do not tell apart."""

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n: int  # blocks
    left_out: tuple[str, ...]  # methods that some block lacks
    statistic: float  # Friedman's chi-squared; of two methods the blocks that the worse one wins
    p: float
    critical_difference: float  # of mean ranks: Nemenyi's
    cliques: tuple[
        tuple[str, ...], ...
    ]  # of two methods or more; all are one where the test finds no difference at all
    enough: int  # blocks, of which fewer could decide nothing even if they all agreed

    @property
    def undecidable(self) -> str | None:
        """Why these blocks cannot decide; None where they can."""
        if len(self.methods) < 2:
            return "one method cannot be ranked" if self.methods else "no method has a value in every block"
        if self.n < self.enough:
            blocks = f"{self.n} block" + ("s" if self.n != 1 else "")
            return f"{blocks} cannot rank {len(self.methods)} methods, even if all agreed: that takes {self.enough}"
        return None


def friedman(blocks: pd.DataFrame, better: str) -> Ranks:
    """The ranks of methods, the columns, in blocks, the rows; blocks without any value do not count."""
    blocks = blocks.dropna(how="all")
    kept = blocks.dropna(axis=1)
    left_out = tuple(str(method) for method in blocks.columns if method not in kept.columns)
    n, k = kept.shape
    ranks = ranked(kept.to_numpy(dtype=np.float64), better)
    means = ranks.mean(0) if n else np.full(k, nan)
    order = np.argsort(means, kind="stable")
    methods = tuple(str(kept.columns[number]) for number in order)
    mean_ranks = tuple(float(means[number]) for number in order)
    statistic, p = _test(ranks) if n and k > 1 else (nan, nan)
    apart = critical_difference(k, n) if n and k > 1 else nan
    cliques = _cliques(methods, mean_ranks, apart if p < ALPHA else inf)
    return Ranks(methods, mean_ranks, n, left_out, statistic, p, apart, cliques, enough(k) if k > 1 else 0)


def ranked(values: Floats, better: str) -> Floats:
    """The ranks (n, k) of values within each row: 1 is the best; equals, but for rounding, share the mean of their ranks."""
    signed = -values if better == "higher" else values
    order = np.argsort(signed, axis=1)
    steps = np.diff(np.take_along_axis(signed, order, 1), axis=1, prepend=signed[:, :1]) > TIE
    places = np.empty_like(signed)
    np.put_along_axis(places, order, steps.cumsum(1).astype(float), 1)
    found: Floats = rankdata(places, axis=1)
    return found


def critical_difference(methods: int, blocks: int) -> float:
    """Of mean ranks that differ by as much, Nemenyi's test says that the methods differ (Demšar, 2006)."""
    return _quantile(methods) / sqrt(2) * sqrt(methods * (methods + 1) / (6 * blocks))


def enough(methods: int) -> int:
    """The least number of blocks that, if all agreed, would tell the first method from the last."""

    def tells(blocks: int) -> bool:
        least = 0.5 ** (blocks - 1) if methods == 2 else float(chi2.sf(blocks * (methods - 1), methods - 1))
        return least < ALPHA and critical_difference(methods, blocks) <= methods - 1

    return next(blocks for blocks in count(1) if tells(blocks))


@cache
def _quantile(methods: int) -> float:
    return float(studentized_range.ppf(1 - ALPHA, methods, inf))


def _test(ranks: Floats) -> tuple[float, float]:
    if (np.ptp(ranks, axis=1) == 0).all():
        return 0.0, 1.0
    if ranks.shape[1] == 2:  # Friedman's test of two is the sign test
        won, lost = sorted((int((ranks[:, 0] < ranks[:, 1]).sum()), int((ranks[:, 0] > ranks[:, 1]).sum())))
        return float(won), float(binomtest(won, won + lost).pvalue)
    found = friedmanchisquare(*ranks.T)
    return float(found.statistic), float(found.pvalue)


def _cliques(methods: tuple[str, ...], ranks: tuple[float, ...], apart: float) -> tuple[tuple[str, ...], ...]:
    """The longest groups of neighbours in which the first and the last differ by less than the critical difference."""
    found: list[tuple[int, int]] = []
    for first in range(len(methods)):
        last = max(
            number for number in range(first, len(methods)) if ranks[number] - ranks[first] < apart or number == first
        )
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(methods[first : last + 1] for first, last in found)
