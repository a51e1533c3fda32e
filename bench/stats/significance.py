"""Tests of paired differences, and Holm's correction for multiple tests."""

from functools import lru_cache
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, rankdata, wilcoxon

from .estimate import ALPHA, Floats

EXACT_LIMIT = 100  # differences that are not 0; for more, the signed-rank test uses the normal approximation
MOST_SUMS = 2**18  # of ranks, in a distribution: with many zeros, ranks are large


class Significance(NamedTuple):
    """The result of a two-sided test that differences are symmetric about 0."""

    p: float
    sign: int  # of the differences on the whole: -1, 0 or 1


def signed_rank_tests(columns: Floats) -> list[Significance]:
    """Test each column of differences (n, k) by Wilcoxon's signed-rank test.

    Zeros are Pratt's (1959): ranked with the others, then left out. For at most EXACT_LIMIT other differences the distribution
    is exact, also with ties and zeros: for these, SciPy uses the normal approximation, or permutations that take about a
    second a test.
    """
    ranks = rankdata(np.abs(columns), axis=0) * np.sign(columns)
    tests = [_test_signed_ranks(column) if _can_be_exact(column) else None for column in ranks.T]
    many = [index for index, test in enumerate(tests) if test is None]
    approximate = iter(_approximate(columns[:, many], ranks[:, many].sum(0)))
    return [test or next(approximate) for test in tests]


def _can_be_exact(ranks: Floats) -> bool:
    """Tell whether the exact distribution of the sum of so many ranks (n,) is small enough."""
    return int(np.count_nonzero(ranks)) <= EXACT_LIMIT and 2 * float(np.abs(ranks).sum()) <= MOST_SUMS


def _approximate(columns: Floats, sums: Floats) -> list[Significance]:
    """Test columns of many differences (n, k), whose signed ranks have these sums (k,), by the normal approximation."""
    p_values = np.asarray(wilcoxon(columns, zero_method="pratt", axis=0).pvalue) if columns.size else np.empty(0)
    return [Significance(float(p), int(sign)) for p, sign in zip(p_values, np.sign(sums), strict=True)]


def _test_signed_ranks(ranks: Floats) -> Significance:
    """Test differences whose ranks (n,) have the differences' signs by their exact distribution."""
    if not ranks.any():
        return Significance(1.0, 0)
    doubled = np.rint(2 * np.abs(ranks)).astype(int)  # integers, because ranks of ties can be halves
    probabilities = _distribute_rank_sum(tuple(np.sort(doubled[doubled > 0]).tolist()))
    observed = doubled[ranks > 0].sum()
    tail = min(probabilities[: observed + 1].sum(), probabilities[observed:].sum())
    return Significance(min(1.0, 2 * float(tail)), int(np.sign(ranks.sum())))


@lru_cache(64)  # without ties, all differences of so many images have the same ranks
def _distribute_rank_sum(ranks: tuple[int, ...]) -> Floats:
    """Return the probability (sum of ranks + 1,) of each sum of the positive ranks, where each has a random sign."""
    counts = np.zeros(sum(ranks) + 1)  # of patterns of signs, by their sum
    counts[0] = size = 1
    for rank in ranks:
        counts[rank : rank + size] += counts[:size].copy()
        size += rank
    return counts / 2.0 ** len(ranks)


def count_decisive_images(tests: float) -> float:
    """Return the number of differing images below which none of so many exact tests can be significant.

    If two methods differ on n images, the least p-value is 2 ** (1 - n); Holm's correction multiplies it by the number of
    tests.
    """
    return log2(2 * tests / ALPHA)


def sign_test(differences: Floats) -> Significance:
    """Test differences (n,) by the exact sign test; zeros are left out. For binary values it is McNemar's exact test."""
    positive, negative = int((differences > 0).sum()), int((differences < 0).sum())
    p = float(binomtest(positive, positive + negative).pvalue) if positive + negative else 1.0
    return Significance(p, int(np.sign(positive - negative)))


def holm(p_values: ArrayLike) -> Floats:
    """Correct p-values (n,) for multiple tests (Holm, 1979). NaN means no test: it stays NaN and is not counted.

    SciPy has no Holm correction, and statsmodels would be a dependency for these few lines; the tests compare with it.
    """
    corrected = np.array(p_values, dtype=np.float64)
    tested = np.flatnonzero(~np.isnan(corrected))
    order = tested[np.argsort(corrected[tested], kind="stable")]
    steps = corrected[order] * np.arange(order.size, 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
