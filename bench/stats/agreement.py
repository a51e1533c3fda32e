"""Do metrics say anything steady of methods: a metric from image to image, and two metrics of the same images?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan

import krippendorff
import numpy as np
import pandas as pd

from .estimate import Estimate, Floats, estimates, student
from .frames import complete
from .friedman import ranked

GROUPS = 100  # of images, that are left out in turn
RELIABLE, TENTATIVE = 0.8, 0.667  # Krippendorff's own limits


@dataclass(frozen=True)
class Consistency:
    """Krippendorff's alpha of n images that rank methods: 1 where all agree, 0 where they might as well throw dice."""

    alpha: Estimate
    methods: int

    @property
    def n(self) -> int:
        return self.alpha.n

    @property
    def level(self) -> str:
        """Krippendorff's words for it, by alpha alone."""
        if np.isnan(self.alpha.mean):
            return "unknown"
        limits = {"reliable": RELIABLE, "tentative": TENTATIVE, "unreliable": -np.inf}
        return next(word for word, least in limits.items() if self.alpha.mean >= least)


@dataclass(frozen=True)
class Agreement:
    """How two metrics rank the same methods on the same n images: Spearman's rho within images."""

    one: str
    other: str
    rho: Estimate
    methods: int

    @property
    def n(self) -> int:
        return self.rho.n


def consistency(values: pd.DataFrame) -> Consistency:
    """Does a metric rank methods, the columns of values by image, alike on all images? (Tomsett et al., AAAI 2020)

    Ordinal alpha with images as raters and methods as items, of the ranks within each image. Its interval is Student's of the
    jackknife: a bootstrap would draw an image twice, which agrees with itself. Which end is better makes no difference.
    """
    shared = complete(values)
    n, k = shared.shape
    if n < 2 or k < 2:
        return Consistency(Estimate(nan, nan, nan, n), k)
    doubled = np.rint(2 * ranked(shared.to_numpy(dtype=np.float64), "higher")).astype(int)  # ranks of equals are halves
    groups = min(n, GROUPS)
    counts = np.zeros((groups, k, 2 * k + 1), dtype=int)  # how often a group of images gives a method a rank
    np.add.at(counts, (np.arange(n)[:, None] % groups, np.arange(k), doubled), 1)
    total = counts.sum(0)
    alpha = _alpha(total)
    without = np.array([_alpha(total - one) if n > 2 else nan for one in counts])
    if np.isnan(without).any():
        return Consistency(Estimate(alpha, nan, nan, n), k)
    low, high = (alpha + float(end) for end in student((groups - 1) * (alpha - without)))
    return Consistency(Estimate(alpha, min(low, alpha), max(alpha, min(high, 1.0)), n), k)


def agreement(
    values: Mapping[str, pd.DataFrame], better: Mapping[str, str], pairs: Sequence[tuple[str, str]] | None = None,
    *, seed: int = 0,
) -> list[Agreement]:  # fmt: skip
    """Of metrics, by name their values by image and method, each two: do they put the same methods first?

    Methods are ranked within each image by either metric, so that images that are easy for all do not count as agreement; rho
    is the correlation of these ranks over all images and methods. Without equals it is the mean of the images' own rhos.
    """
    asked = list(combinations(values, 2)) if pairs is None else list(pairs)
    whole = {name: _ranks(complete(own), better[name]) for name, own in values.items()}
    rows = [_products(whole[one], whole[other], better[one], better[other]) for one, other in asked]
    found: dict[int, Agreement] = {}
    for count in {len(products) for products, _ in rows}:
        numbers = [number for number, (products, _) in enumerate(rows) if len(products) == count]
        together = np.concatenate([rows[number][0] for number in numbers], axis=1)
        rhos = estimates(together, _rhos, within=(-1, 1), seed=seed)
        for number, rho in zip(numbers, rhos, strict=True):
            found[number] = Agreement(*asked[number], rho, rows[number][1])
    return [found[number] for number in range(len(asked))]


def matrix(found: Sequence[Agreement]) -> pd.DataFrame:
    """Rho by metric and metric: symmetric, 1 on the diagonal, NaN where it was not asked."""
    names = list(dict.fromkeys(name for one in found for name in (one.one, one.other)))
    grid = pd.DataFrame(np.where(np.eye(len(names)), 1.0, nan), index=names, columns=names)
    for one in found:
        grid.loc[one.one, one.other] = grid.loc[one.other, one.one] = one.rho.mean
    return grid


@dataclass(frozen=True)
class _Ranks:
    """The values of a metric that are complete, and their ranks within each image, about their middle."""

    values: pd.DataFrame
    ranks: Floats


def _ranks(values: pd.DataFrame, better: str) -> _Ranks:
    return _Ranks(values, ranked(values.to_numpy(dtype=np.float64), better) - (values.shape[1] + 1) / 2)


def _products(one: _Ranks, other: _Ranks, up: str, also: str) -> tuple[Floats, int]:
    """By image (n, 3) of which both have all methods: products of ranks, and each metric's squares; and how many methods."""
    methods = one.values.columns.intersection(other.values.columns)
    images = one.values.index.intersection(other.values.index)
    if len(methods) < 2:
        return np.empty((0, 3)), len(methods)
    first, second = (
        part.ranks
        if part.values.columns.equals(methods) and part.values.index.equals(images)
        else _ranks(part.values.loc[images, methods], way).ranks
        for part, way in ((one, up), (other, also))
    )
    products = [(left * right).sum(1) for left, right in ((first, second), (first, first), (second, second))]
    return np.stack(products, axis=1), len(methods)


def _rhos(means: Floats) -> Floats:
    """Of means (..., 3 pairs) of products and squares; undefined where a metric gives all methods the same."""
    both, first, second = np.moveaxis(means.reshape(*means.shape[:-1], -1, 3), -1, 0)
    size = np.sqrt(first * second)
    return np.divide(both, size, out=np.full_like(both, nan), where=size > 0)


def _alpha(counts: np.ndarray[tuple[int, ...], np.dtype[np.int_]]) -> float:
    """Of counts (methods, ranks); NaN where there is but one rank."""
    if (counts.sum(0) > 0).sum() < 2:
        return nan
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="ordinal"))
