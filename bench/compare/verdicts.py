"""The verdicts of a comparison, and how paired values are judged.

Values are judged by Student's t-test, because Wilcoxon's test has no power on few images (on 5, p is never below .06). Binary
values are judged by the exact sign test. The p-values of all numbers that changed are corrected (Holm), which leaves little
power on few images: on 8, Grad-CAM with its sign flipped passes. So each method is also judged by all of its metrics at once
(see obrien.py). Each of the two families has half of the error rate: if the runs differ by noise alone, a comparison finds
anything worse or better in at most one of twenty cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf, nan
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from ..core import slack
from ..core.formatting import MEGABYTE
from ..stats import paired
from ..stats.estimate import ALPHA, Estimate, Floats
from ..stats.paired import PairedSample
from ..stats.significance import Significance, holm, sign_test
from ..store.header import MetricScale
from .snapshot import Key

FAMILIES = 2  # of tests: one of single metrics, one of all metrics of a method
OVERALL = "overall"
# The least increase of a cost that counts. Less is the bookkeeping of an operation, such as einsum in place of a product.
COST_SLACKS = {"forwards": 0.01, "peak_bytes": 0.01 * MEGABYTE}

Verdict = Literal["worse", "broken", "gone", "not comparable", "unclear", "better", "fixed", "new", "same"]
FAILING: tuple[Verdict, ...] = ("worse", "broken", "gone", "not comparable")


@dataclass(frozen=True)
class NumberResult:
    """The verdict on a metric, or a cost, of a method on a net in two runs, with its evidence."""

    key: Key
    verdict: Verdict
    better: str = ""  # higher or lower
    base: float = nan  # means over the images of both, or costs
    new: float = nan
    change: Estimate | None = None  # new minus base, with its 95 % interval; None if not measured image by image
    p: float = nan  # corrected
    slack: float = 0.0
    why: str = ""  # the reason for a verdict without numbers
    short: str = ""  # the name of the metric in a table


@dataclass(frozen=True)
class PairedValues:
    """The values of a number on the images for which both runs have a value."""

    key: Key
    images: Sequence[str] | NDArray[np.intp]  # n of them: names, or indices
    base: Floats  # (n,)
    new: Floats  # (n,)
    metric: MetricScale

    @property
    def differences(self) -> Floats:
        """New minus base (n,); 0 within rounding."""
        differences = self.new - self.base
        largest = max(float(np.abs(self.base).max(initial=0)), float(np.abs(self.new).max(initial=0)))
        return np.where(np.abs(differences) <= slack.find_rounding(self.metric.range, largest), 0.0, differences)

    @property
    def binary(self) -> bool:
        """Whether the values are judged by the tests for rates.

        They are if the metric's range is [0, 1] and no value is farther than the slack from 0 or 1, also if the metric is not
        binary: for two images that both flip, Student's t has p < .001, and the sign test p = .5.
        """
        if self.metric.range != [0, 1]:
            return False
        extreme = np.isclose(np.concatenate([self.base, self.new])[:, None], [0, 1], rtol=0, atol=self.slack)
        return bool(extreme.any(1).all())

    @property
    def slack(self) -> float:
        return slack.find_slack(self.metric.slack, self.metric.range, float(self.base.mean()))


def judge_numbers(numbers: Sequence[PairedValues]) -> list[NumberResult]:
    """Judge each number; each has at least one image. The correction is over the numbers in which a value changed."""
    differences = [number.differences for number in numbers]
    changed = [index for index, by_image in enumerate(differences) if by_image.any()]
    samples = [_make_sample(numbers[index], differences[index]) for index in changed]
    pairs = paired.compare_pairs(samples) if samples else []
    intervals = [_cut(pair.difference, numbers[index].metric) for pair, index in zip(pairs, changed, strict=True)]
    tested = [_test(sample) for sample in samples]
    corrected = correct([test.p for test in tested])
    tests = [Significance(float(p), test.sign) for p, test in zip(corrected, tested, strict=True)]
    evidence = dict(zip(changed, zip(intervals, tests, strict=True), strict=True))
    return [
        _make_result(number, *evidence.get(index, (None, Significance(1.0, 0)))) for index, number in enumerate(numbers)
    ]


def correct(p: Sequence[float]) -> Floats:
    """Correct the p-values of one family, within it (Holm) and for the other family (Bonferroni)."""
    return np.minimum(FAMILIES * holm(p), 1)


def _make_sample(number: PairedValues, differences: Floats) -> PairedSample:
    return PairedSample("new", "base", differences, number.metric.better, number.binary)


def _cut(change: Estimate, metric: MetricScale) -> Estimate:
    """Cut the interval of a change to the differences that the metric's range allows."""
    low, high = metric.range
    if low is None or high is None:
        return change
    return change._replace(low=max(change.low, low - high), high=min(change.high, high - low))


def _test(sample: PairedSample) -> Significance:
    """Test a sample; p is NaN for one image."""
    differences = sample.differences
    if differences.size < 2:
        return Significance(nan, 0)
    if sample.binary:
        return sign_test(differences)
    return Significance(t_test(differences), int(np.sign(differences.mean())))


def t_test(values: Floats) -> float:
    """Return the two-sided p of Student's t-test that the mean of at least two values is 0.

    For equal values, which have no variance (t is infinite), p is that of the sign test: two values of a count or of a share of
    few pixels are often equal. scipy's ttest_1samp is not used, because it warns if values are equal within rounding.
    """
    if float(np.ptp(values)) <= slack.ROUNDING * float(np.abs(values).max()):
        return sign_test(values).p
    error = float(values.std(ddof=1)) / values.size**0.5
    return float(2 * t.sf(abs(float(values.mean())) / error, values.size - 1))


def _make_result(number: PairedValues, change: Estimate | None, tested: Significance) -> NumberResult:
    base, new = float(number.base.mean()), float(number.new.mean())
    return NumberResult(
        number.key, _decide_verdict(number, change, tested), number.metric.better, base, new, change, tested.p, number.slack,
        short=number.metric.short,
    )  # fmt: skip


def _decide_verdict(number: PairedValues, change: Estimate | None, tested: Significance) -> Verdict:
    """Decide between better, worse, unclear and same.

    A number is better or worse only if mean and test have the same sign: one large change may outweigh many small ones.
    """
    if change is None or abs(change.mean) <= number.slack:
        return "same"
    excluded = number.binary or change.low > 0 or change.high < 0
    if not excluded or not tested.p < ALPHA or np.sign(change.mean) != tested.sign:
        return "unclear"
    return "better" if (change.mean > 0) == (number.metric.better == "higher") else "worse"


def judge_cost(key: Key, base: float, new: float) -> NumberResult:
    """Judge a cost that is the same in every run: any increase beyond its slack is worse."""
    same = abs(new - base) <= COST_SLACKS[key[2]] or (isinf(base) and base == new)
    verdict: Verdict = "same" if same else "worse" if new > base else "better"
    return NumberResult(key, verdict, "lower", base, new, short=key[2])
