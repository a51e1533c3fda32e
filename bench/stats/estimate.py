"""Means of per-image values, and functions of several means, with 95 % confidence intervals."""

from collections.abc import Callable
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, norm, t

from ..core.formatting import format_number
from .bounded import MANY, bound_means

CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE  # the error rate of tests and comparisons
TAIL = ALPHA / 2  # the share of samples in which an interval is on one side of the truth
Z = float(norm.ppf(1 - TAIL))  # 1.96: +-Z holds 95 % of a standard normal distribution
TIE = 1e-6  # scores that differ by at most this much are equal up to rounding
# Scores of maps that are equal up to rounding differ by at most this share of the range of their scores: a pixel that changes
# its rank moves a deletion by up to .0002 where the scores of most images lie within .1.
ALIKE = 4e-3
FEW = 8  # with fewer values, their skewness and spread are not known well enough to correct or to forecast anything
HEAVY = 0.1  # the share of values at an end of their range from which Student's interval may be far too short
Floats = NDArray[np.float64]
Transform = Callable[[Floats], Floats]  # from means (..., k) to the quantities (..., m) that are estimated


def find_rounding(values: ArrayLike) -> float:
    """Find how much the scores of two methods whose maps are equal up to rounding may differ, from the scores of both.

    The range is that of the middle nine tenths, if they differ: a metric without bounds may have a score far off.
    """
    present = np.asarray(values, dtype=np.float64)
    present = present[np.isfinite(present)]
    if not present.size:
        return TIE
    low, high = np.quantile(present, [0.05, 0.95])
    return max(TIE, ALIKE * float(high - low or np.ptp(present)))


class Estimate(NamedTuple):
    """A mean over n images with its 95 % interval. All are NaN for n = 0, and the interval is NaN for n = 1."""

    mean: float
    low: float
    high: float
    n: int


def are_alike(first: Floats, second: Floats) -> bool:
    """Tell whether the scores of two methods on the same images are equal up to rounding, NaN included."""
    return np.allclose(first, second, rtol=0, atol=find_rounding([first, second]), equal_nan=True)


def estimate_mean(values: ArrayLike, *, binary: bool = False, bounds: tuple[float, float] = (-inf, inf)) -> Estimate:
    """Estimate the mean of per-image values (n,), without the NaN.

    The interval is that of `estimate_columns`, cut to `bounds`, the range of the values. The rate of a binary metric, if all
    values are hits or misses, has the exact interval of Clopper and Pearson: of 12 hits in 12, it is .735 to 1.
    """
    present = np.asarray(values, dtype=np.float64)
    present = present[~np.isnan(present)]
    if binary and present.size > 1 and are_hits(present):
        return _estimate_rate(float(present.sum()), present.size)
    return estimate_columns(present[:, None], bounds=bounds)[0]


def are_hits(values: Floats) -> bool:
    """Tell whether all values are 0 or 1. A binary metric may give a share: of several peaks of a map, some are hits."""
    return bool(np.isin(values, (0, 1)).all())


def estimate_columns(
    columns: Floats, transform: Transform | None = None, *, bounds: tuple[float, float] = (-inf, inf)
) -> list[Estimate]:
    """Estimate the means of columns (n, k) without NaN, or the quantities (m,) that `transform` computes from these means.

    The interval is Student's t, corrected for skewness (`student_interval`), of the values, or of the jackknife's
    pseudo-values of a quantity. It is NaN if the quantity is undefined (NaN) without one of the rows. For means of values of
    which many are at an end of their range, it reaches as far as a limit that assumes nothing (`bound_means`). It always
    contains the point, and is cut to `bounds`, the range of the values.
    """
    count = len(columns)
    point = (transform or _identity)(_mean(columns) if count else np.full(columns.shape[1], nan))
    if count < 2:
        return [Estimate(float(value), nan, nan, count) for value in point]
    # For a mean, the influence of a value is its deviation from the mean.
    low, high = (point + end for end in student_interval(_measure_influence(columns, transform or _identity)))
    if transform is None:
        _widen_at_ends(columns, low, high, bounds)
    # Rounding can put a point slightly outside the bounds.
    low = np.maximum(np.minimum(low, point), np.minimum(point, bounds[0]))
    high = np.minimum(np.maximum(high, point), np.maximum(point, bounds[1]))
    rows = zip(point.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(*row, count) for row in rows]


def student_interval(values: Floats) -> tuple[Any, Any]:
    """Return the ends of Student's t interval of the mean over the first axis, corrected for the skewness of the values.

    In skewed data, t is skewed the other way, and the mean is too often beyond the end on the side of the longer tail. This
    end is moved out by the first term of the expansion of t in the skewness (Johnson, J. Am. Stat. Assoc. 73, 1978); the other
    one stays, and so do both of fewer than FEW values. Values that are all equal have an interval of no width.
    """
    count = len(values)
    mean, error, quantile = values.mean(0), values.std(0, ddof=1) / count**0.5, t.ppf(1 - TAIL, count - 1)
    shift = 0.0 if count < FEW else _measure_skewness(values) * (1 + 2 * quantile**2) / (6 * count**0.5)
    return mean - (quantile + np.maximum(-shift, 0)) * error, mean + (quantile + np.maximum(shift, 0)) * error


def format_interval(estimate: Estimate) -> str:
    """Format an interval in words, `.100 to .300`: a hyphen would read as the sign of a negative bound."""
    return f"{format_number(estimate.low)} to {format_number(estimate.high)}"


def _identity(means: Floats) -> Floats:
    return means


def _mean(columns: Floats) -> Floats:
    """Compute the means of columns. The mean of a constant column is exactly its value."""
    return columns[0] + (columns - columns[0]).mean(0)


def _measure_influence(columns: Floats, transform: Transform) -> Floats:
    """Measure the jackknife's influence of each row on the quantities (n, m): its pseudo-values, minus the quantities."""
    centred = columns - columns[0]
    without = columns[0] + (centred.sum(0) - centred) / (len(columns) - 1)
    return (len(columns) - 1) * (transform(_mean(columns)) - transform(without))


def _measure_skewness(values: Floats) -> Floats:
    """Measure the skewness of values (n, ...) over the first axis, corrected for n (Fisher's G1); 0 for equal values."""
    count, deviations = len(values), values - values.mean(0)
    scale = (deviations**2).mean(0) ** 1.5
    skewness = np.divide((deviations**3).mean(0), scale, out=np.zeros_like(scale), where=scale > 0)
    return np.asarray(skewness * (count * (count - 1)) ** 0.5 / (count - 2))


def _widen_at_ends(columns: Floats, low: Floats, high: Floats, bounds: tuple[float, float]) -> None:
    """Move the limits (k,) of columns out that are heavy at an end of their range: those on the side of the other end."""
    if not np.isfinite(bounds).all():
        return
    lower, upper = bounds
    if (heavy := _find_heavy(columns, lower)).any():
        high[heavy] = np.maximum(high[heavy], bound_means(_snap(columns[:, heavy], lower), lower, upper, 1 - TAIL))
    if (heavy := _find_heavy(columns, upper)).any():
        low[heavy] = np.minimum(low[heavy], bound_means(_snap(columns[:, heavy], upper), upper, lower, TAIL))


def _find_heavy(columns: Floats, end: float) -> NDArray[np.bool_]:
    """Find the columns (k,) of which many values are at an end of their range, and not too many are away from it."""
    at_end = _are_at(columns, end)
    return np.asarray((at_end.mean(0) >= HEAVY) & ((~at_end).sum(0) <= MANY))


def _snap(columns: Floats, end: float) -> Floats:
    """Replace the values that are equal to an end, up to rounding, by it."""
    return np.where(_are_at(columns, end), end, columns)


def _are_at(columns: Floats, end: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(columns - end) <= TIE)


def _estimate_rate(hits: float, n: int) -> Estimate:
    """Estimate a rate, with the interval of Clopper and Pearson (1934).

    SciPy's `binomtest` needs a whole number of hits; a map with several peaks may be half a hit.
    """
    low = float(beta.ppf(TAIL, hits, n - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - TAIL, hits + 1, n - hits)) if hits < n else 1.0
    return Estimate(hits / n, low, high, n)
