"""Paired comparisons of two methods, image by image: which one is ahead, by how much, and whether that is significant."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import combinations
from math import ceil, nan
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import nbinom, norm

from ..core.formatting import format_effect
from .estimate import ALPHA, FEW, TIE, Estimate, Floats, Z, are_hits, estimate_columns, find_rounding
from .significance import Significance, count_decisive_images, holm, sign_test, signed_rank_tests

POWER = 0.8  # the probability with which the number of images that is forecast decides a comparison
MANY_MORE = 1_000  # images: a comparison that needs more is not worth deciding
MAX_IMAGES = 10**9  # a comparison that needs more images is never decided

PairVerdict = Literal["ahead", "behind", "undecided"]
ImagesNeeded = int | Literal["never", "unknown"]


@dataclass(frozen=True)
class PairedSample:
    """The differences of two methods, first minus second, on the images for which both have a value."""

    first: str
    second: str
    differences: Floats  # (n,)
    better: str  # higher or lower
    binary: bool = False
    tie_effect: float = (
        0.0  # how much ties, the order of equal pixels, can move the mean of either, as far as it is known
    )
    rounding: float = 0.0  # how much the scores of maps that are equal up to rounding may differ


@dataclass(frozen=True)
class Pair:
    """The comparison of two methods on n images.

    The first is ahead or behind only if the interval of the mean difference excludes 0, and the corrected test is significant
    with the same sign; otherwise the comparison is undecided. It is also undecided if ties move the mean of either method by
    more than the difference.
    """

    first: str
    second: str
    difference: Estimate  # of the means, first minus second
    superiority: float  # in [0, 1]: the share of images on which the first is better; a tie counts half
    p: float  # of Wilcoxon's signed-rank test; for binary values, of McNemar's exact test
    corrected_p: float  # by Holm's correction, over the comparisons of a family
    verdict: PairVerdict
    images_needed: ImagesNeeded | None  # an estimate of how many images would decide it; None if it is decided
    tie_effect: float = (
        0.0  # how much ties can move the mean of either method, if that is more than the difference; else 0
    )
    overruled: bool = False  # whether interval and test would decide it without this
    different: int = 0  # images on which the two differ: the others count for no test

    @property
    def n(self) -> int:
        return self.difference.n

    @property
    def ties_text(self) -> str:
        """How much ties can move a mean, in words; empty if that is not more than the difference."""
        effect = format_effect(self.tie_effect)
        return f"the order of equal pixels can move a mean by {effect} or more" if self.tie_effect else ""

    @property
    def images_needed_text(self) -> str | None:
        """How many images would decide it, in words; None if it is decided, or no number is known.

        The spread of fewer than FEW differences is too uncertain for a forecast.
        """
        if not isinstance(self.images_needed, int) or self.n < FEW:
            return None
        if self.images_needed > MANY_MORE:
            return f"more than {MANY_MORE:,} images"
        return "a few more images" if self.images_needed == self.n + 1 else f"about {self.images_needed:,} images"

    @property
    def decision_text(self) -> str | None:
        """Whether more images would decide it, and how many; None if it is decided or not known."""
        if self.images_needed == "never":
            return ": ".join(filter(None, ["more images would not decide it", self.ties_text]))
        if not self.images_needed_text:
            return None
        too_many = isinstance(self.images_needed, int) and self.images_needed > MANY_MORE
        return f"{self.images_needed_text} would {'be needed: not worth it' if too_many else 'decide it'}"


def pair_methods(
    values: pd.DataFrame, pairs: Iterable[tuple[str, str]] | None = None, *, better: str, binary: bool = False,
    ties: pd.DataFrame | None = None,
) -> list[PairedSample]:  # fmt: skip
    """Pair the methods, columns of `values` with one row per image: the pairs given, or every two methods.

    `ties` says how much the order of equal pixels moves each value, in the same rows and columns; None if it was not measured.
    """
    columns = {method: np.asarray(values[method], dtype=np.float64) for method in values.columns}
    samples = []
    for a, b in combinations(values.columns, 2) if pairs is None else pairs:
        effect = 0.0 if ties is None else _find_tie_effect(values[[a, b]], ties[[a, b]])
        differences = subtract_paired(columns[a], columns[b])
        hits = binary and are_hits(np.abs(differences))
        samples.append(PairedSample(a, b, differences, better, hits, effect, find_rounding([columns[a], columns[b]])))
    return samples


def _find_tie_effect(values: pd.DataFrame, ties: pd.DataFrame) -> float:
    """Find the larger of the mean effects of ties on two methods, over the images that both have; 0 if none is known."""
    return float(ties[values.notna().all(axis=1)].mean().fillna(0.0).max())


def subtract_paired(first: Floats, second: Floats) -> Floats:
    """Return first minus second where both are numbers; at most TIE counts as 0."""
    differences = first - second
    differences = differences[~np.isnan(differences)]
    return np.where(np.abs(differences) <= TIE, 0.0, differences)


def compare_pairs(
    samples: Sequence[PairedSample],
    *,
    families: Sequence[str] | None = None,
    factors: Mapping[str, float] | None = None,
) -> list[Pair]:
    """Compare the two methods of each sample.

    Holm's correction is over all samples, or over those with the same name in `families`, which has one name for each sample;
    samples without images are not counted. The p-values of a family that has a factor are multiplied by it as well.
    """
    tests = _test_samples(samples)
    family_names = np.array(families or [""] * len(samples), dtype=str)
    corrected, sizes = np.full(len(samples), nan), np.zeros(len(samples))
    for family in dict.fromkeys(family_names):
        members, factor = np.flatnonzero(family_names == family), (factors or {}).get(family, 1)
        corrected[members] = np.minimum(factor * holm([tests[index].p for index in members]), 1)
        sizes[members] = factor * (~np.isnan(corrected[members])).sum()
    rows = zip(samples, _estimate_differences(samples), tests, corrected, sizes.tolist(), strict=True)
    return [_pair(*row) for row in rows]


def _test_samples(samples: Sequence[PairedSample]) -> list[Significance]:
    """Test each sample; samples of the same size are tested together. p is NaN for a sample without images."""
    tests: dict[int, Significance] = {}
    for indices in _group_by_size(samples):
        columns = np.stack([samples[index].differences for index in indices], axis=1)
        tests |= zip(indices, signed_rank_tests(columns), strict=True)
    for index, sample in enumerate(samples):
        if index not in tests:
            tests[index] = sign_test(sample.differences) if sample.differences.size else Significance(nan, 0)
    return [tests[index] for index in range(len(samples))]


def _group_by_size(samples: Sequence[PairedSample]) -> list[list[int]]:
    """List the indices of the samples that are neither binary nor empty, grouped by the number of images."""
    groups: dict[int, list[int]] = {}
    for index, sample in enumerate(samples):
        if sample.differences.size and not sample.binary:
            groups.setdefault(sample.differences.size, []).append(index)
    return list(groups.values())


def _estimate_differences(samples: Sequence[PairedSample]) -> list[Estimate]:
    """Estimate the mean difference of each sample; samples of the same size are estimated together."""
    estimates: dict[int, Estimate] = {}
    for index, sample in enumerate(samples):
        if sample.binary or not sample.differences.size:
            estimates[index] = _estimate_rate_difference(sample.differences)
    for indices in _group_by_size(samples):
        columns = np.stack([samples[index].differences for index in indices], axis=1)
        estimates |= zip(indices, estimate_columns(columns), strict=True)
    return [estimates[index] for index in range(len(samples))]


def _estimate_rate_difference(differences: Floats) -> Estimate:
    """Estimate the difference of two rates on the same images, with the interval of Bonett and Price (2012).

    It is Wald's interval with one more image in each direction. Student's interval of 12 images that all agree would have no
    width. SciPy has no interval for paired rates.
    """
    n = differences.size
    mean = float(differences.mean()) if n else nan
    if n < 2:
        return Estimate(mean, nan, nan, n)
    positive, negative = (float(part.sum()) + 1 for part in (differences.clip(0, None), (-differences).clip(0, None)))
    centre = (positive - negative) / (n + 2)
    half = Z * (((positive + negative) / (n + 2) - centre**2) / (n + 2)) ** 0.5
    return Estimate(mean, max(-1.0, min(centre - half, mean)), min(1.0, max(centre + half, mean)), n)


def _pair(sample: PairedSample, difference: Estimate, test: Significance, corrected: float, family_size: float) -> Pair:
    """Make the comparison of a sample from its mean difference, its test and the corrected p."""
    gains = sample.differences if sample.better == "higher" else -sample.differences
    superiority = float((gains > 0).mean() + (gains == 0).mean() / 2) if gains.size else nan
    tested = _decide_verdict(sample.better, difference, test.sign, corrected)
    needed = _estimate_images_needed(sample.differences, family_size) if tested == "undecided" else None
    if sample.differences.size > 1 and needed and float(np.abs(sample.differences).max()) <= sample.rounding:
        needed = "never"
    pair = Pair(
        sample.first, sample.second, difference, superiority, test.p, float(corrected), tested, needed,
        different=int(np.count_nonzero(sample.differences)),
    )  # fmt: skip
    if not abs(difference.mean) < sample.tie_effect:
        return pair
    overruled = tested != "undecided"
    never = overruled or (-sample.tie_effect < difference.low and difference.high < sample.tie_effect)
    return replace(
        pair, verdict="undecided", images_needed="never" if never else "unknown", tie_effect=sample.tie_effect,
        overruled=overruled,
    )  # fmt: skip


def _decide_verdict(better: str, difference: Estimate, sign: int, corrected: float) -> PairVerdict:
    """Decide between ahead, behind and undecided.

    A comparison is decided only if mean and test have the same sign: in skewed data, most differences can be opposite to
    the mean.
    """
    excluded = difference.low > 0 or difference.high < 0
    if not excluded or not corrected < ALPHA or np.sign(difference.mean) != sign:
        return "undecided"
    return "ahead" if (difference.mean > 0) == (better == "higher") else "behind"


def _estimate_images_needed(differences: Floats, family_size: float) -> ImagesNeeded:
    """Estimate how many images would decide a comparison with a probability of POWER, if the mean and the spread stay.

    The tests are Bonferroni-corrected. The number is at least one more than there are, and so large that enough images
    differ for an exact test to be significant.
    """
    n = differences.size
    if n < 2:
        return "unknown"
    if not (mean := abs(float(differences.mean()))):
        return "never"
    errors = _find_quantile(family_size) * float(differences.std(ddof=1)) / mean
    images = max(errors**2, _count_images(family_size, int(np.count_nonzero(differences)) / n), n + 1)
    return ceil(images) if images <= MAX_IMAGES else "never"


@cache
def _find_quantile(family_size: float) -> float:
    """Return how many standard errors a mean is from 0 that one of so many comparisons finds with a probability of POWER."""
    return float(norm.ppf(1 - ALPHA / 2 / family_size) + norm.ppf(POWER))


@lru_cache(4096)
def _count_images(tests: float, share: float) -> float:
    """Count the images of which, with a probability of POWER, enough differ for an exact test, if this share of all does."""
    decisive = ceil(count_decisive_images(tests))
    return decisive + float(nbinom.ppf(POWER, decisive, share)) if share < 1 else decisive
