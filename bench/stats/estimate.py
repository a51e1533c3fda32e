"""Means of per-image values, and functions of several means, with 95 % confidence intervals."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from ..core.formatting import format_number

RESAMPLES = 10_000
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE  # the error rate of tests and comparisons
Z = float(norm.ppf((1 + CONFIDENCE) / 2))  # 1.96: +-Z holds 95 % of a standard normal distribution
TIE = 1e-6  # scores that differ by at most this much are equal up to rounding
ALIKE = (
    1e-3  # scores of maps that are equal up to rounding: a pixel that changes its rank moves an insertion by about 1e-4
)
FEW = 8  # with fewer values, a percentile bootstrap is far too narrow: with two, it covers the mean half the time
MANY = 10_000  # with more values, Student's interval equals the bootstrap's up to its random error, and costs no time
CHUNK = 4_000_000  # draws generated at a time
CACHE_LIMIT = 20_000_000  # draws; larger sets of draws are not kept for the next sample of the same size
Floats = NDArray[np.float64]
Transform = Callable[[Floats], Floats]  # from means (..., k) to the quantities (..., m) that are estimated


class Estimate(NamedTuple):
    """A mean over n images with its 95 % interval. All are NaN for n = 0, and the interval is NaN for n = 1."""

    mean: float
    low: float
    high: float
    n: int


def estimate_mean(
    values: ArrayLike, *, binary: bool = False, bounds: tuple[float, float] = (-inf, inf), seed: int = 0
) -> Estimate:
    """Estimate the mean of per-image values (n,), without the NaN.

    The interval is a percentile bootstrap's, or Student's t for fewer than FEW and more than MANY values, and is cut to
    `bounds`, the range of the values. The rate of a binary metric has Wilson's interval: a bootstrap of 12 hits in 12 would
    have no width, Wilson's interval is .76 to 1.
    """
    present = np.asarray(values, dtype=np.float64)
    present = present[~np.isnan(present)]
    if binary and present.size > 1:
        rate = float(present.mean())
        low, high = _wilson(rate, present.size)
        return Estimate(rate, max(low, min(rate, bounds[0])), min(high, max(rate, bounds[1])), present.size)
    return estimate_columns(present[:, None], bounds=bounds, seed=seed)[0]


def estimate_means(
    columns: Sequence[Floats], bounds: Sequence[tuple[float, float]], binary: Sequence[bool], *, seed: int = 0
) -> list[Estimate]:
    """Estimate the mean of each column as `estimate_mean` does; columns of the same size are resampled together.

    `bounds` and `binary` have one element for each column.
    """
    present = [column[~np.isnan(column)] for column in columns]
    estimates: dict[int, Estimate] = {}
    groups: dict[tuple[int, tuple[float, float]], list[int]] = {}
    for index, values in enumerate(present):
        if binary[index]:
            estimates[index] = estimate_mean(values, binary=True, bounds=bounds[index], seed=seed)
        else:
            groups.setdefault((values.size, bounds[index]), []).append(index)
    for (_, group_bounds), indices in groups.items():
        group = np.stack([present[index] for index in indices], axis=1)
        estimates |= zip(indices, estimate_columns(group, bounds=group_bounds, seed=seed), strict=True)
    return [estimates[index] for index in range(len(columns))]


def estimate_columns(
    columns: Floats, transform: Transform | None = None, *,
    bounds: tuple[float, float] = (-inf, inf), seed: int = 0,
) -> list[Estimate]:  # fmt: skip
    """Estimate the means of columns (n, k) without NaN, or the quantities (m,) that `transform` computes from these means.

    Whole rows are resampled, the same for all columns, and the interval is the percentile bootstrap's. For fewer than FEW and
    more than MANY rows it is Student's t of the jackknife's pseudo-values, which for a mean are the values themselves.
    Resamples in which a quantity is undefined (NaN) are left out of its interval.
    """
    count = len(columns)
    transform = transform or _identity
    point = transform(_mean(columns) if count else np.full(columns.shape[1], nan))
    if count < 2:
        return [Estimate(float(value), nan, nan, count) for value in point]
    if count < FEW or count > MANY:
        low, high = (point + end for end in t_interval((count - 1) * (point - transform(_leave_one_out(columns)))))
    else:
        low, high = _percentiles(transform(resample_means(columns, seed)))
    # Rounding can put a point slightly outside the bounds or the resamples; the interval always contains it.
    low, high = (
        np.maximum(np.minimum(low, point), np.minimum(point, bounds[0])),
        np.minimum(np.maximum(high, point), np.maximum(point, bounds[1])),
    )
    rows = zip(point.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Estimate(*row, count) for row in rows]


def standard_error(columns: Floats, transform: Transform | None = None) -> Floats:
    """Return the standard errors (m,) of the quantities that `transform` computes from the means of columns (n, k).

    They are the bootstrap's, or the jackknife's for fewer than FEW and more than MANY rows, as in `estimate_columns`; NaN for
    n = 1.
    """
    count = len(columns)
    transform = transform or _identity
    if count < 2:
        return np.full_like(transform(columns.mean(0)), nan)
    if count < FEW or count > MANY:
        return (count - 1) * transform(_leave_one_out(columns)).std(0, ddof=1) / count**0.5
    return transform(resample_means(columns)).std(0, ddof=1)


def resample_means(columns: Floats, seed: int = 0) -> Floats:
    """Draw n rows of columns (n, k) with replacement, RESAMPLES times, and return the means (RESAMPLES, k).

    The drawn rows depend on n and the seed alone. `scipy.stats.bootstrap` gives the same means, but takes three to ten times
    as long for the 40 columns of a run, because it gathers the values where this multiplies by kept counts.
    """
    count = len(columns)
    draws = _cache_draws(count, seed) if count * RESAMPLES <= CACHE_LIMIT else _draw_counts(count, seed)
    means = [counts.astype(np.float64) @ (columns - columns[0]) / count for counts in draws]
    return columns[0] + np.concatenate(means)


def t_interval(values: Floats) -> tuple[Any, Any]:
    """Return the ends of Student's t interval of the mean over the first axis, which assumes normally distributed values.

    Values that are all equal have an interval of no width; `scipy.stats.t.interval` returns NaN for them.
    """
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(0, ddof=1) / len(values) ** 0.5
    return values.mean(0) - half, values.mean(0) + half


def format_interval(estimate: Estimate) -> str:
    """Format an interval in words, `.100 to .300`: a hyphen would read as the sign of a negative bound."""
    return f"{format_number(estimate.low)} to {format_number(estimate.high)}"


@lru_cache(maxsize=4)
def _cache_draws(count: int, seed: int) -> tuple[NDArray[np.uint8], ...]:
    """Draw counts as `_draw_counts` does, and keep them for the next sample of the same size."""
    return tuple(_draw_counts(count, seed))


def _draw_counts(count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """Draw how often each resample contains each row, (RESAMPLES, count), in chunks.

    Bytes suffice, because the probability that one row is drawn 256 times is negligible.
    """
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // count)
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.uint8)


def _identity(means: Floats) -> Floats:
    return means


def _mean(columns: Floats) -> Floats:
    """Compute the means of columns. The mean of a constant column is exactly its value, as it is in each resample."""
    return columns[0] + (columns - columns[0]).mean(0)


def _leave_one_out(columns: Floats) -> Floats:
    """Compute the means (n, k) of columns (n, k) without one row at a time."""
    centred = columns - columns[0]
    return columns[0] + (centred.sum(0) - centred) / (len(columns) - 1)


def _percentiles(draws: Floats) -> tuple[Floats, Floats]:
    """Return the ends (m,) of the 95 % interval of draws (RESAMPLES, m), without the NaN."""
    ends = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    low, high = np.percentile(draws, ends, axis=0)
    for column in np.flatnonzero(np.isnan(draws).any(0)):
        defined = draws[~np.isnan(draws[:, column]), column]
        low[column], high[column] = np.percentile(defined, ends) if defined.size else (nan, nan)
    return low, high


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """Compute the ends of Wilson's score interval (1927) of a rate.

    SciPy's `binomtest` needs a whole number of hits; a map with several peaks may be half a hit.
    """
    z2 = Z**2
    centre, half = rate + z2 / (2 * n), (z2 * (rate * (1 - rate) + z2 / (4 * n)) / n) ** 0.5
    # For a rate of 0 or 1, one end is the rate itself up to rounding.
    return min(rate, (centre - half) / (1 + z2 / n)), max(rate, (centre + half) / (1 + z2 / n))
