"""Numbers of published tables that are made of several means, or of two methods: ADCC, and win."""

import numpy as np
from numpy.typing import ArrayLike

from .estimate import TIE, Estimate, Floats, estimates, mean


def adcc(drop: ArrayLike, coherency: ArrayLike, complexity: ArrayLike, *, seed: int = 0) -> Estimate:
    """ADCC of a data set: of the means over the images that have all three, with its interval over these images."""
    columns = np.stack([np.asarray(part, dtype=np.float64) for part in (drop, coherency, complexity)], axis=1)
    known = columns[~np.isnan(columns).any(1)]
    return estimates(known, lambda means: adcc_of_means(means)[..., None], within=(0, 1), seed=seed)[0]


def adcc_of_means(means: Floats) -> Floats:
    """The harmonic mean of coherency, 1 - complexity and 1 - drop, of means (..., 3) of drop, coherency, complexity.

    0 where one of the three is 0 (Poppi et al., CVPRW 2021; the means of a data set, as their tables have it).
    """
    drop, coherency, complexity = np.moveaxis(np.asarray(means, dtype=np.float64), -1, 0)
    parts = np.stack([coherency, 1 - complexity, 1 - drop])
    with np.errstate(divide="ignore"):
        return np.where(parts.min(0) > 0, 3 / (1 / parts).sum(0), np.where(np.isnan(parts).any(0), np.nan, 0.0))


def win(one: ArrayLike, other: ArrayLike) -> Estimate:
    """The share of images where one's drop is smaller than the other's (Chattopadhyay et al., WACV 2018), of those with both.

    Equal drops, as where neither loses any score, are a win of neither.
    """
    apart = np.asarray(other, dtype=np.float64) - np.asarray(one, dtype=np.float64)
    return mean(np.where(np.isnan(apart), np.nan, apart > TIE), yes_or_no=True)
