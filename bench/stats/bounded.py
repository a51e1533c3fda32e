"""A limit of the mean of values within a known range, which assumes nothing else of their distribution.

Take the values and the end of the range as points, and give them random weights that sum to 1, all such weights being equally
likely. The limit on the side of that end is a quantile of the weighted mean of the points (Gaffke, Mathematical Methods of
Statistics 14, 2005; Learned-Miller and Thomas, arXiv:1905.06208, 2019). For values that are 0 or 1 it is the limit of Clopper
and Pearson (1934). That it covers the mean of any distribution as often as it should is a conjecture, to which no exception
is known; for 0 and 1 it is proved.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DRAWS = 10_000  # of weights: the random error of a limit is about a hundredth of its distance from the mean
MANY = 200  # values away from an end of their range: with more, Student's interval is wide enough


def bound_means(columns: NDArray[np.float64], heavy: float, end: float, share: float) -> NDArray[np.float64]:
    """Return limits (k,) of the means of columns (n, k) of values, of whose range `heavy` and `end` are the two ends.

    The limit is on the side of `end`; at most MANY values of a column may differ from `heavy`. `share` is that of samples in
    which the true mean is below the limit: near 1 for the upper end, near 0 for the lower one.
    """
    return np.array([_bound_mean(column, heavy, end, share) for column in columns.T])


def _bound_mean(values: NDArray[np.float64], heavy: float, end: float, share: float) -> float:
    """Return the limit of the mean of values (n,).

    The values at `heavy` share one weight, the sum of theirs. The others are sorted, so that their order does not matter.
    """
    away = values[values != heavy]
    side = 1 if heavy > end else -1
    distances = np.sort(side * (away - end))
    equal, weights = _draw_equal(values.size - away.size), _draw_weights()[: away.size + 1]
    total = equal * abs(heavy - end) + distances @ weights[:-1]
    return float(np.quantile(end + side * total / (equal + weights.sum(0)), share))


@lru_cache(maxsize=1)
def _draw_weights() -> NDArray[np.float64]:
    """Draw weights (MANY + 1, DRAWS), not yet divided by their sums."""
    return np.random.default_rng(0).standard_exponential((MANY + 1, DRAWS))


def _draw_equal(count: int) -> NDArray[np.float64]:
    """Draw the sums (DRAWS,) of the weights of so many equal values."""
    return np.random.default_rng((1, count)).standard_gamma(count, DRAWS)
