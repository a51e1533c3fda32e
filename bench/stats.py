"""What a set of per-image values says: its mean, and how sure that is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, norm

RESAMPLES = 10_000
CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean over n images with its 95 % interval (NaN for n = 0; no interval for n = 1)."""

    mean: float
    low: float
    high: float
    n: int

    def overlaps(self, other: "Estimate") -> bool:
        return self.low <= other.high and other.low <= self.high


def mean(values: ArrayLike, *, yes_or_no: bool = False, seed: int = 0) -> Estimate:
    """The mean of per-image values with its percentile bootstrap interval, or Wilson's for a rate of yes among yes and no.

    (A bootstrap of 12 hits in 12 would call the rate certain; Wilson's interval says .76 to 1.)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size < 2:
        return Estimate(float(known.mean()) if known.size else float("nan"), float("nan"), float("nan"), known.size)
    low, high = _wilson(float(known.mean()), known.size) if yes_or_no else _bootstrap(known, seed)
    return Estimate(float(known.mean()), low, high, known.size)


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """Wilson's score interval (1927), which takes shares of a yes as well: a map with several peaks may point half right."""
    z2 = float(norm.ppf((1 + CONFIDENCE) / 2)) ** 2
    centre, half = rate + z2 / (2 * n), (z2 * (rate * (1 - rate) + z2 / (4 * n)) / n) ** 0.5
    # At 0 and 1 the bound is the rate itself, but for rounding.
    return min(rate, (centre - half) / (1 + z2 / n)), max(rate, (centre + half) / (1 + z2 / n))


def _bootstrap(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    if np.ptp(values) == 0:
        return float(values.mean()), float(values.mean())
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=1000,
    ).confidence_interval
    return float(interval.low), float(interval.high)
