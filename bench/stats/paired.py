"""Two methods, or one method in two runs, image by image: who is ahead, by how much, and how sure that is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, log2, nan
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import norm

from .estimate import ALPHA, TIE, Estimate, Floats, estimates
from .significance import Tested, holm, sign_test, signed_ranks

MANY = 10**9  # images: what would take more is never settled

Verdict = Literal["ahead", "behind", "undecided"]
Needed = int | Literal["never", "unknown"]


@dataclass(frozen=True)
class Question:
    """Is one ahead of the other? Differences, one less the other, on the images that both have."""

    one: str
    other: str
    differences: Floats  # (n,)
    better: str  # higher or lower
    yes_or_no: bool = False


@dataclass(frozen=True)
class Pair:
    """The answer to a question: ahead or behind only where the interval leaves 0 out and the corrected test agrees."""

    one: str
    other: str
    difference: Estimate  # of the means, one less the other
    superiority: float  # the share of images on which one is better, ties half
    p: float  # of Wilcoxon's signed-rank test; of yes or no McNemar's, exact
    corrected: float  # that p by Holm, over all questions asked together
    verdict: Verdict
    needed: Needed | None  # about as many images would settle it; None where it is settled

    @property
    def n(self) -> int:
        return self.difference.n

    @property
    def settling(self) -> str | None:
        """How many images would settle it, in words; None where it is settled, or no number is known."""
        if not isinstance(self.needed, int):
            return None
        return "a few more images" if self.needed == self.n + 1 else f"about {self.needed:,} images"


def among(
    values: pd.DataFrame, pairs: Iterable[tuple[str, str]] | None = None, *, better: str, yes_or_no: bool = False
) -> list[Question]:
    """Questions among methods, the columns of values by image: the pairs given, or each with each."""
    asked = combinations(values.columns, 2) if pairs is None else pairs
    return [Question(one, other, differences(values[one], values[other]), better, yes_or_no) for one, other in asked]


def between(one: pd.DataFrame, other: pd.DataFrame, *, better: str, yes_or_no: bool = False) -> list[Question]:
    """Questions of two runs, their values by image: each method that both have, in the first run against the other."""
    shared = [str(method) for method in one.columns if method in other.columns]
    return [Question(method, method, differences(one[method], other[method]), better, yes_or_no) for method in shared]


def differences(one: "pd.Series[float]", other: "pd.Series[float]") -> Floats:
    """One less the other on the images, by index, that both have a value of; rounding counts as no difference."""
    if one.index is not other.index:
        one, other = one.dropna().align(other.dropna(), join="inner")
    apart = one.to_numpy(dtype=np.float64) - other.to_numpy(dtype=np.float64)
    both = apart[~np.isnan(apart)]
    return np.where(np.abs(both) <= TIE, 0.0, both)


def compare(questions: Sequence[Question], *, families: Sequence[str] | None = None, seed: int = 0) -> list[Pair]:
    """An answer each; Holm's correction is over all of them that have an image at all, or over those of a family."""
    tested = _tested(questions)
    of = np.array(families or [""] * len(questions), dtype=str)
    corrected, sizes = np.full(len(questions), nan), np.zeros(len(questions), dtype=int)
    for family in dict.fromkeys(of):
        own = np.flatnonzero(of == family)
        corrected[own] = holm([tested[place].p for place in own])
        sizes[own] = (~np.isnan(corrected[own])).sum()
    found = zip(questions, _means(questions, seed), tested, corrected, sizes.tolist(), strict=True)
    return [_pair(*one) for one in found]


def _tested(questions: Sequence[Question]) -> list[Tested]:
    """The tests; those of as many differences are made together."""
    found: dict[int, Tested] = {}
    for places in _alike([one.differences.size * (not one.yes_or_no) for one in questions]):
        rows = [questions[place].differences for place in places]
        found |= zip(places, signed_ranks(np.stack(rows, axis=1)), strict=True)
    for place, one in enumerate(questions):
        if place not in found:
            found[place] = sign_test(one.differences) if one.differences.size else Tested(nan, 0)
    return [found[place] for place in range(len(questions))]


def _alike(sizes: Sequence[int]) -> list[list[int]]:
    """The places of equal sizes that are not 0."""
    found: dict[int, list[int]] = {}
    for place, size in enumerate(sizes):
        if size:
            found.setdefault(size, []).append(place)
    return list(found.values())


def _means(questions: Sequence[Question], seed: int) -> list[Estimate]:
    """The mean differences; those over as many images are drawn again together."""
    found: dict[int, Estimate] = {}
    for number, question in enumerate(questions):
        if question.yes_or_no or not question.differences.size:
            found[number] = _rates(question.differences)
    for numbers in _alike([one.differences.size * (not one.yes_or_no) for one in questions]):
        columns = np.stack([questions[number].differences for number in numbers], axis=1)
        found |= zip(numbers, estimates(columns, seed=seed), strict=True)
    return [found[number] for number in range(len(questions))]


def _rates(found: Floats) -> Estimate:
    """The difference of two rates on the same images, by Bonett and Price (2012): Wald's interval with one more image each way.

    A bootstrap of 12 images that all agree would call it certain that the rates are equal.
    """
    n = found.size
    middle = float(found.mean()) if n else nan
    if n < 2:
        return Estimate(middle, nan, nan, n)
    ups, downs = (float(part.sum()) + 1 for part in (found.clip(0, None), (-found).clip(0, None)))
    centre = (ups - downs) / (n + 2)
    half = float(norm.ppf(1 - ALPHA / 2)) * (((ups + downs) / (n + 2) - centre**2) / (n + 2)) ** 0.5
    return Estimate(middle, max(-1.0, min(centre - half, middle)), min(1.0, max(centre + half, middle)), n)


def _pair(question: Question, difference: Estimate, tested: Tested, corrected: float, family: int) -> Pair:
    gains = question.differences if question.better == "higher" else -question.differences
    superiority = float((gains > 0).mean() + (gains == 0).mean() / 2) if gains.size else nan
    verdict = _verdict(question.better, difference, tested.side, corrected)
    needed = _needed(question.differences, family) if verdict == "undecided" else None
    return Pair(question.one, question.other, difference, superiority, tested.p, float(corrected), verdict, needed)


def _verdict(better: str, difference: Estimate, side: int, corrected: float) -> Verdict:
    """The side of the mean, where its interval leaves out 0 and the test agrees: of skewed values most may lie opposite."""
    excluded = difference.low > 0 or difference.high < 0
    if not excluded or not corrected < ALPHA or np.sign(difference.mean) != side:
        return "undecided"
    return "ahead" if (difference.mean > 0) == (better == "higher") else "behind"


def _needed(found: Floats, family: int) -> Needed:
    """Images of which half the interval, at this spread and corrected for all questions, is no more than this difference.

    At the least one more than there are, and as many as an exact test needs.
    """
    n = found.size
    if n < 2:
        return "unknown"
    if not (middle := abs(float(found.mean()))):
        return "never"
    half = float(norm.ppf(1 - ALPHA / 2 / family)) * float(found.std(ddof=1))
    images = max((half / middle) ** 2, log2(2 * family / ALPHA), n + 1)
    return ceil(images) if images <= MANY else "never"
