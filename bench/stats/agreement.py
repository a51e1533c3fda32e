"""Reliability of metrics: whether a metric ranks methods alike on all images, and whether two metrics rank them alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan

import krippendorff
import numpy as np
import pandas as pd

from .estimate import Estimate, Floats, estimate_columns, student_interval
from .frames import keep_complete
from .friedman import rank_rows

GROUPS = 100  # of images at most, one of which each jackknife sample leaves out
RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff's thresholds


@dataclass(frozen=True)
class Consistency:
    """Krippendorff's alpha of n images that rank methods: 1 is full agreement, 0 is chance, below 0 is disagreement."""

    alpha: Estimate
    methods: int

    @property
    def n(self) -> int:
        return self.alpha.n

    @property
    def level(self) -> str:
        """Krippendorff's name for alpha; unknown if alpha is undefined.

        `reliable`: its whole interval is at least RELIABLE. `unreliable`: it is below TENTATIVE. `tentative`: neither is shown.
        """
        if np.isnan(self.alpha.mean):
            return "unknown"
        low, high = (self.alpha.mean if np.isnan(end) else end for end in (self.alpha.low, self.alpha.high))
        return "reliable" if low >= RELIABLE else "unreliable" if high < TENTATIVE else "tentative"


@dataclass(frozen=True)
class Agreement:
    """Spearman's rho, within images, of two metrics that rank the same methods on the same n images."""

    first: str
    second: str
    rho: Estimate
    methods: int

    @property
    def n(self) -> int:
        return self.rho.n


def measure_consistency(values: pd.DataFrame) -> Consistency:
    """Measure whether a metric ranks methods alike on all images (Tomsett et al., AAAI 2020).

    `values` has one row per image and one column per method. Alpha is ordinal, with images as raters and methods as items, and
    is computed from the ranks within each image, so it does not depend on whether higher is better. Its interval is that of
    the jackknife: a bootstrap would draw an image twice, and it agrees with itself.
    """
    shared = keep_complete(values)
    n, k = shared.shape
    if n < 2 or k < 2:
        return Consistency(Estimate(nan, nan, nan, n), k)
    ranks = rank_rows(shared.to_numpy(dtype=np.float64), "higher")
    doubled = np.rint(2 * ranks).astype(int)  # integers, because ranks of ties can be halves
    groups = min(n, GROUPS)
    counts = np.zeros((groups, k, 2 * k + 1), dtype=int)  # how often a group of images gives a method a doubled rank
    np.add.at(counts, (np.arange(n)[:, None] % groups, np.arange(k), doubled), 1)
    total = counts.sum(0)
    alpha = _alpha(total)
    left_out = np.array([_alpha(total - group) if n > 2 else nan for group in counts])
    if np.isnan(left_out).any():
        return Consistency(Estimate(alpha, nan, nan, n), k)
    low, high = (alpha + float(end) for end in student_interval((groups - 1) * (alpha - left_out)))
    return Consistency(Estimate(alpha, min(low, alpha), max(alpha, min(high, 1.0)), n), k)


def measure_agreement(
    values: Mapping[str, pd.DataFrame], better: Mapping[str, str], pairs: Sequence[tuple[str, str]] | None = None
) -> list[Agreement]:
    """Measure whether metrics rank methods alike: the pairs of metrics given, or every two.

    `values` has for each metric one row per image and one column per method; `better` is "higher" or "lower". Methods are
    ranked within each image, so that images on which all methods score high do not count as agreement. Rho is the correlation
    of these ranks over all images and methods; without ties it is the mean of the rhos of single images. Range [-1, 1], and NaN
    if a metric gives all methods the same rank on every image.
    """
    names = list(combinations(values, 2)) if pairs is None else list(pairs)
    ranks = {metric: _rank(keep_complete(table), better[metric]) for metric, table in values.items()}
    rows = [_multiply_ranks(ranks[a], ranks[b], better[a], better[b]) for a, b in names]
    agreements: dict[int, Agreement] = {}
    for count in {len(products) for products, _ in rows}:  # pairs of as many images are estimated together
        indices = [index for index, (products, _) in enumerate(rows) if len(products) == count]
        columns = np.concatenate([rows[index][0] for index in indices], axis=1)
        rhos = estimate_columns(columns, _rho, bounds=(-1, 1))
        for index, rho in zip(indices, rhos, strict=True):
            agreements[index] = Agreement(*names[index], rho, rows[index][1])
    return [agreements[index] for index in range(len(names))]


def build_rho_matrix(agreements: Sequence[Agreement]) -> pd.DataFrame:
    """Build the symmetric matrix of rho by metric, with ones on the diagonal and NaN for pairs that were not measured."""
    names = list(dict.fromkeys(name for pair in agreements for name in (pair.first, pair.second)))
    matrix = pd.DataFrame(np.where(np.eye(len(names)), 1.0, nan), index=names, columns=names)
    for pair in agreements:
        matrix.loc[pair.first, pair.second] = matrix.loc[pair.second, pair.first] = pair.rho.mean
    return matrix


@dataclass(frozen=True)
class _Ranks:
    """The complete values of a metric, and their ranks within each image, minus the mean rank."""

    values: pd.DataFrame
    ranks: Floats


def _rank(values: pd.DataFrame, better: str) -> _Ranks:
    """Rank the methods, columns of `values`, within each image, a row."""
    return _Ranks(values, rank_rows(values.to_numpy(dtype=np.float64), better) - (values.shape[1] + 1) / 2)


def _multiply_ranks(first: _Ranks, second: _Ranks, better: str, second_better: str) -> tuple[Floats, int]:
    """Return, by shared image (n, 3), the sums over shared methods of r1 r2, r1^2 and r2^2; and the number of these methods.

    The means of the three columns determine rho, so the jackknife needs no ranks, as `scipy.stats.spearmanr` does.
    """
    methods = first.values.columns.intersection(second.values.columns)
    images = first.values.index.intersection(second.values.index)
    if len(methods) < 2:
        return np.empty((0, 3)), len(methods)
    r1, r2 = (
        metric.ranks
        if metric.values.columns.equals(methods) and metric.values.index.equals(images)
        else _rank(metric.values.loc[images, methods], direction).ranks
        for metric, direction in ((first, better), (second, second_better))
    )
    products = [(left * right).sum(1) for left, right in ((r1, r2), (r1, r1), (r2, r2))]
    return np.stack(products, axis=1), len(methods)


def _rho(means: Floats) -> Floats:
    """Compute rho (..., pairs) from the means (..., 3 pairs) of products; NaN if a metric gives all methods the same rank."""
    covariance, first, second = np.moveaxis(means.reshape(*means.shape[:-1], -1, 3), -1, 0)
    scale = np.sqrt(first * second)
    return np.divide(covariance, scale, out=np.full_like(covariance, nan), where=scale > 0)


def _alpha(counts: np.ndarray[tuple[int, ...], np.dtype[np.int_]]) -> float:
    """Compute ordinal alpha from counts (methods, ranks); NaN if only one rank occurs."""
    if (counts.sum(0) > 0).sum() < 2:
        return nan
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="ordinal"))
