"""What a set of per-image values says: its mean, and how sure that is."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, bootstrap

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


def mean(values: ArrayLike, seed: int = 0) -> Estimate:
    """The mean of per-image values and its percentile bootstrap interval; of hits and misses, Wilson's.

    (A bootstrap of 12 hits in 12 would call the rate certain; Wilson's interval says .76 to 1.)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if known.size < 2:
        return Estimate(float(known.mean()) if known.size else float("nan"), float("nan"), float("nan"), known.size)
    if np.isin(known, (0.0, 1.0)).all():
        interval = binomtest(int(known.sum()), known.size).proportion_ci(CONFIDENCE, method="wilson")
        return Estimate(float(known.mean()), float(interval.low), float(interval.high), known.size)
    if np.ptp(known) == 0:
        return Estimate(float(known[0]), float(known[0]), float(known[0]), known.size)
    interval = bootstrap(
        (known,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=1000,
    ).confidence_interval
    return Estimate(float(known.mean()), float(interval.low), float(interval.high), known.size)
