"""What a set of per-image values says: its mean, or what is made of several means, and how sure that is."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import inf, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, t

from ..core.formatting import number

RESAMPLES = 10_000
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE
TIE = 1e-6  # scores that differ by no more are equal, but for rounding
FEW = 8  # values: of fewer a bootstrap's interval is much too narrow (of two values it covers the mean half the time)
PLENTY = 10_000  # values: of more Student's interval is the bootstrap's, but for its draws, and takes no time
CHUNK = 4_000_000  # draws made at a time
KEPT = 20_000_000  # draws of a size of sample that are kept for the next of its size
Floats = NDArray[np.float64]
Make = Callable[[Floats], Floats]  # of means (..., k) the numbers (..., m) that are made of them


class Estimate(NamedTuple):
    """A mean over n images with its 95 % interval (NaN for n = 0; no interval for n = 1)."""

    mean: float
    low: float
    high: float
    n: int

    def overlaps(self, other: "Estimate") -> bool:
        return self.low <= other.high and other.low <= self.high


def mean(
    values: ArrayLike, *, yes_or_no: bool = False, within: tuple[float, float] = (-inf, inf), seed: int = 0
) -> Estimate:
    """The mean of per-image values with its interval, cut to the range that values are within.

    A percentile bootstrap, or Student's t of few values and of very many; for a rate of yes among yes and no Wilson's interval.
    (A bootstrap of 12 hits in 12 would call the rate certain; Wilson's interval says .76 to 1.)
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if yes_or_no and known.size > 1:
        rate = float(known.mean())
        low, high = _wilson(rate, known.size)
        return Estimate(rate, max(low, min(rate, within[0])), min(high, max(rate, within[1])), known.size)
    return estimates(known[:, None], within=within, seed=seed)[0]


def means(
    columns: Sequence[Floats], within: Sequence[tuple[float, float]], yes_or_no: Sequence[bool], *, seed: int = 0
) -> list[Estimate]:
    """The mean of each of many columns, as `mean` gives it; those of as many values are drawn together."""
    known = [column[~np.isnan(column)] for column in columns]
    found: dict[int, Estimate] = {}
    alike: dict[tuple[int, tuple[float, float]], list[int]] = {}
    for place, values in enumerate(known):
        if yes_or_no[place]:
            found[place] = mean(values, yes_or_no=True, within=within[place], seed=seed)
        else:
            alike.setdefault((values.size, within[place]), []).append(place)
    for (_, limits), places in alike.items():
        together = np.stack([known[place] for place in places], axis=1)
        found |= zip(places, estimates(together, within=limits, seed=seed), strict=True)
    return [found[place] for place in range(len(columns))]


def estimates(
    columns: Floats, make: Make | None = None, *, within: tuple[float, float] = (-inf, inf), seed: int = 0
) -> list[Estimate]:
    """The means of columns (n, k) without gaps, or the numbers that are made of these means, each with its interval.

    Rows are drawn again as a whole, for all columns alike: a percentile bootstrap. Of few rows, and of very many, Student's t
    of the jackknife's pseudo-values, which for a mean are the values. A number that some draws leave undefined (NaN) is that
    of the others.
    """
    count = len(columns)
    made = make or _itself
    point = made(_mean(columns) if count else np.full(columns.shape[1], nan))
    if count < 2:
        return [Estimate(float(one), nan, nan, count) for one in point]
    if count < FEW or count > PLENTY:
        low, high = (point + end for end in student((count - 1) * (point - made(_left_out(columns)))))
    else:
        low, high = _percentiles(made(resampled(columns, seed)))
    # A number that rounding puts beside the range, or beside its draws, stays inside its interval.
    low, high = (
        np.maximum(np.minimum(low, point), np.minimum(point, within[0])),
        np.minimum(np.maximum(high, point), np.maximum(point, within[1])),
    )
    ends = zip(point, low, high, strict=True)
    return [Estimate(float(one), float(least), float(most), count) for one, least, most in ends]


def standard_error(columns: Floats, make: Make | None = None) -> Floats:
    """The standard errors (m,) of what `make` makes of the means of columns (n, k); NaN for n = 1.

    The bootstrap's, or the jackknife's of few rows and of very many, as in `estimates`.
    """
    count = len(columns)
    made = make or _itself
    if count < 2:
        return np.full_like(made(columns.mean(0)), nan)
    if count < FEW or count > PLENTY:
        return (count - 1) * made(_left_out(columns)).std(0, ddof=1) / count**0.5
    return made(resampled(columns)).std(0, ddof=1)


def resampled(columns: Floats, seed: int = 0) -> Floats:
    """The means (RESAMPLES, k) of columns (n, k) over n rows drawn again; which rows depends on n and the seed alone."""
    count = len(columns)
    draws = _kept(count, seed) if count * RESAMPLES <= KEPT else _draws(count, seed)
    means = [times.astype(np.float64) @ (columns - columns[0]) / count for times in draws]
    return columns[0] + np.concatenate(means)


def student(values: Floats) -> tuple[Any, Any]:
    """Student's t interval of the mean over the first axis: the one that a normal distribution's mean has."""
    half = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(0, ddof=1) / len(values) ** 0.5
    return values.mean(0) - half, values.mean(0) + half


@lru_cache(maxsize=4)
def _kept(count: int, seed: int) -> tuple[NDArray[np.uint8], ...]:
    return tuple(_draws(count, seed))


def _draws(count: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """How many times each row is drawn, (RESAMPLES, count) in parts; that a row is drawn 256 times does not happen."""
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // count)
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.uint8)


def _itself(means: Floats) -> Floats:
    return means


def _mean(columns: Floats) -> Floats:
    """The means of columns: of one that is all alike exactly its value, as in each draw."""
    return columns[0] + (columns - columns[0]).mean(0)


def _left_out(columns: Floats) -> Floats:
    """The means (n, k) of columns without each of the rows."""
    apart = columns - columns[0]
    return columns[0] + (apart.sum(0) - apart) / (len(columns) - 1)


def _percentiles(draws: Floats) -> tuple[Floats, Floats]:
    ends = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
    low, high = np.percentile(draws, ends, axis=0)
    for column in np.flatnonzero(np.isnan(draws).any(0)):
        known = draws[~np.isnan(draws[:, column]), column]
        low[column], high[column] = np.percentile(known, ends) if known.size else (nan, nan)
    return low, high


def _wilson(rate: float, n: int) -> tuple[float, float]:
    """Wilson's score interval (1927), which takes shares of a yes as well: a map with several peaks may point half right."""
    z2 = float(norm.ppf((1 + CONFIDENCE) / 2)) ** 2
    centre, half = rate + z2 / (2 * n), (z2 * (rate * (1 - rate) + z2 / (4 * n)) / n) ** 0.5
    # At 0 and 1 the bound is the rate itself, but for rounding.
    return min(rate, (centre - half) / (1 + z2 / n)), max(rate, (centre + half) / (1 + z2 / n))


def span(estimate: Estimate) -> str:
    """An interval in words; a hyphen would read as a sign before a bound below 0."""
    return f"{number(estimate.low)} to {number(estimate.high)}"
