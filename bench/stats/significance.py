"""p-values of paired differences, and Holm's correction of several of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, rankdata, wilcoxon

from .estimate import Floats

EXACT = 50  # differences: of more than these, the signed-rank test is that of the normal distribution


class Tested(NamedTuple):
    """The two-sided p of a test that differences lie about 0, and to which side they lie: -1, 0 or 1."""

    p: float
    side: int


def signed_rank(differences: Floats) -> Tested:
    """Wilcoxon's signed-rank test; differences of 0 are Pratt's (1959): they are ranked with the others, then left out.

    Exact, ties and zeros included, for few; SciPy falls back on the normal distribution there, or takes a second a test.
    """
    ranks = rankdata(np.abs(differences)) * np.sign(differences)
    side = int(np.sign(ranks.sum()))
    if not ranks.any():
        return Tested(1.0, 0)
    if differences.size > EXACT:
        return Tested(float(wilcoxon(differences, zero_method="pratt").pvalue), side)
    # The signs of what is not 0 are thrown anew: how often is the sum of the positive ranks at least as extreme?
    doubled = np.rint(2 * np.abs(ranks)).astype(int)  # ranks of ties are halves
    sums = np.ones(1)  # the chance of each sum
    for rank in doubled[doubled > 0]:
        sums = np.convolve(sums, np.eye(1, rank + 1)[0] / 2 + np.eye(1, rank + 1, rank)[0] / 2)
    found = doubled[ranks > 0].sum()
    return Tested(min(1.0, 2 * float(min(sums[: found + 1].sum(), sums[found:].sum()))), side)


def signed_ranks(columns: Floats) -> list[Tested]:
    """`signed_rank` of each column (n, k); of many differences all at once."""
    if len(columns) <= EXACT:
        return [signed_rank(column) for column in columns.T]
    sums = (rankdata(np.abs(columns), axis=0) * np.sign(columns)).sum(0)
    some = np.flatnonzero(columns.any(0))
    p = np.ones(columns.shape[1])
    if some.size:
        p[some] = wilcoxon(columns[:, some], zero_method="pratt", axis=0).pvalue
    return [Tested(float(one), int(side)) for one, side in zip(p, np.sign(sums), strict=True)]


def sign_test(differences: Floats) -> Tested:
    """The exact sign test, which of yes (1) and no (0) is McNemar's: of the images that differ, as many each way?"""
    ups, downs = int((differences > 0).sum()), int((differences < 0).sum())
    p = float(binomtest(ups, ups + downs).pvalue) if ups + downs else 1.0
    return Tested(p, int(np.sign(ups - downs)))


def holm(p: ArrayLike) -> Floats:
    """p-values corrected for their number (Holm, 1979); NaN, where there was nothing to test, is not counted."""
    corrected = np.array(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(corrected))
    order = known[np.argsort(corrected[known], kind="stable")]
    steps = corrected[order] * np.arange(order.size, 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
