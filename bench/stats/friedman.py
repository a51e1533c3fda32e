"""Mean ranks of methods over blocks (net, data set, protocol): Friedman's test and Nemenyi's critical difference."""

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
    """The mean ranks of methods over n blocks, best first, and the groups of methods that do not differ significantly."""

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n: int  # blocks
    left_out: tuple[str, ...]  # methods without a value in some block
    statistic: float  # Friedman's chi-squared; for two methods, the number of blocks that the worse one wins
    p: float
    critical_difference: float  # of mean ranks (Nemenyi)
    cliques: tuple[tuple[str, ...], ...]  # of at least two methods; all are one clique if p is not below .05
    blocks_needed: int  # with fewer blocks, no difference is significant even if all blocks agree

    @property
    def undecidable(self) -> str | None:
        """Why these blocks cannot rank the methods; None if they can."""
        if len(self.methods) < 2:
            return "one method cannot be ranked" if self.methods else "no method has a value in every block"
        if self.n < self.blocks_needed:
            blocks = f"{self.n} block" + ("s" if self.n != 1 else "")
            needed = f"at least {self.blocks_needed} are needed"
            return f"{blocks} cannot rank {len(self.methods)} methods, even if all agree: {needed}"
        return None


def rank_in_blocks(blocks: pd.DataFrame, better: str) -> Ranks:
    """Rank methods, the columns, in each block, a row (Demšar, JMLR 2006). `better` is "higher" or "lower".

    Blocks without any value are dropped, then methods without a value in each remaining block.
    """
    blocks = blocks.dropna(how="all")
    complete = blocks.dropna(axis=1)
    left_out = tuple(str(method) for method in blocks.columns if method not in complete.columns)
    n, k = complete.shape
    ranks = rank_rows(complete.to_numpy(dtype=np.float64), better)
    means = ranks.mean(0) if n else np.full(k, nan)
    order = np.argsort(means, kind="stable")
    methods = tuple(str(complete.columns[index]) for index in order)
    mean_ranks = tuple(float(means[index]) for index in order)
    statistic, p = _test(ranks) if n and k > 1 else (nan, nan)
    critical = critical_difference(k, n) if n and k > 1 else nan
    cliques = _find_cliques(methods, mean_ranks, critical if p < ALPHA else inf)
    needed = count_blocks_needed(k) if k > 1 else 0
    return Ranks(methods, mean_ranks, n, left_out, statistic, p, critical, cliques, needed)


def rank_rows(values: Floats, better: str) -> Floats:
    """Rank the values (n, k) of each row: 1 is the best, and ties share the mean of their ranks.

    Neighbours in order that differ by at most TIE are ties; `scipy.stats.rankdata` alone has no tolerance.
    """
    signed = -values if better == "higher" else values
    order = np.argsort(signed, axis=1)
    steps = np.diff(np.take_along_axis(signed, order, 1), axis=1, prepend=signed[:, :1]) > TIE
    levels = np.empty_like(signed)
    np.put_along_axis(levels, order, steps.cumsum(1).astype(float), 1)
    ranks: Floats = rankdata(levels, axis=1)
    return ranks


def critical_difference(methods: int, blocks: int) -> float:
    """Return the difference of mean ranks from which two methods differ significantly by Nemenyi's test (Demšar, JMLR 2006)."""
    return _quantile(methods) / sqrt(2) * sqrt(methods * (methods + 1) / (6 * blocks))


def count_blocks_needed(methods: int) -> int:
    """Count the blocks from which the first and the last method differ significantly if all blocks agree."""

    def suffices(blocks: int) -> bool:
        p = 0.5 ** (blocks - 1) if methods == 2 else float(chi2.sf(blocks * (methods - 1), methods - 1))
        return p < ALPHA and critical_difference(methods, blocks) <= methods - 1

    return next(blocks for blocks in count(1) if suffices(blocks))


@cache
def _quantile(methods: int) -> float:
    """Return the quantile of the studentized range that is exceeded with probability ALPHA."""
    return float(studentized_range.ppf(1 - ALPHA, methods, inf))


def _test(ranks: Floats) -> tuple[float, float]:
    """Return the statistic and p of Friedman's test; for two methods, of the exact sign test, which it approximates."""
    if (np.ptp(ranks, axis=1) == 0).all():
        return 0.0, 1.0
    if ranks.shape[1] == 2:
        fewer, more = sorted((int((ranks[:, 0] < ranks[:, 1]).sum()), int((ranks[:, 0] > ranks[:, 1]).sum())))
        return float(fewer), float(binomtest(fewer, fewer + more).pvalue)
    result = friedmanchisquare(*ranks.T)
    return float(result.statistic), float(result.pvalue)


def _find_cliques(methods: tuple[str, ...], ranks: tuple[float, ...], critical: float) -> tuple[tuple[str, ...], ...]:
    """Find the maximal groups of neighbours whose first and last mean ranks differ by less than the critical difference."""
    spans: list[tuple[int, int]] = []
    for first in range(len(methods)):
        last = max(
            index for index in range(first, len(methods)) if ranks[index] - ranks[first] < critical or index == first
        )
        if last > first and (not spans or last > spans[-1][1]):
            spans.append((first, last))
    return tuple(methods[first : last + 1] for first, last in spans)
