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


def bound_means(columns: NDArray[np.float64], end: float, share: float) -> NDArray[np.float64]:
    """Return limits (k,) of the means of columns (n, k) of values, of whose range `end` is one end.

    `share` is that of samples in which the true mean is below the limit: near 1 for the upper end, near 0 for the lower one.
    """
    distances = np.vstack([columns - end, np.zeros(columns.shape[1])])
    return np.asarray(end + np.quantile(distances.T @ _draw_weights(len(distances)).T, share, axis=1))


@lru_cache(maxsize=2)
def _draw_weights(count: int) -> NDArray[np.float64]:
    """Draw weights (DRAWS, count) that sum to 1; they depend on the count alone."""
    return np.random.default_rng(0).dirichlet(np.ones(count), DRAWS)
