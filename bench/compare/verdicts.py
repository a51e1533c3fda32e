"""The verdicts of a comparison, and how paired values are judged.

Values are judged by Student's t-test, because Wilcoxon's test has no power on few images (on 5, p is never below .06). Binary
values are judged by the exact sign test. The p-values of all cells that changed are corrected (Holm), which leaves little power
on few images: on 8, Grad-CAM with its sign flipped passes. So each method is also judged by all of its metrics at once (see
obrien.py). Each of the two families has half of the error rate: if the runs differ by noise alone, a comparison finds anything
worse or better in at most one of twenty cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf, nan
from typing import Literal

import numpy as np
from scipy.stats import t

from ..core import tolerance
from ..stats import paired
from ..stats.estimate import ALPHA, Estimate, Floats
from ..stats.mean_scores import BINARY
from ..stats.paired import PairedSample
from ..stats.significance import Significance, holm, sign_test
from ..store.header import MetricScale
from .snapshot import Key

FAMILIES = 2  # of tests: one of single metrics, one of all metrics of a method
OVERALL = "overall"
EXACT = 1e-9  # relative rounding of costs

Verdict = Literal["worse", "broken", "gone", "not comparable", "unclear", "better", "fixed", "new", "same"]
FAILING: tuple[Verdict, ...] = ("worse", "broken", "gone", "not comparable")


@dataclass(frozen=True)
class CellResult:
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
    """The values of a cell on the images for which both runs have a value."""

    key: Key
    images: tuple[str, ...]  # n of them
    base: Floats  # (n,)
    new: Floats  # (n,)
    metric: MetricScale

    @property
    def differences(self) -> Floats:
        """New minus base (n,); 0 within rounding."""
        differences = self.new - self.base
        largest = max(float(np.abs(self.base).max(initial=0)), float(np.abs(self.new).max(initial=0)))
        return np.where(np.abs(differences) <= tolerance.find_rounding(self.metric.range, largest), 0.0, differences)

    @property
    def binary(self) -> bool:
        """Whether the values are judged as yes or no. Values at the ends of [0, 1] are treated as binary."""
        if self.metric.unit == BINARY or self.metric.range != [0, 1]:
            return self.metric.unit == BINARY
        extreme = np.isclose(np.concatenate([self.base, self.new])[:, None], [0, 1], rtol=0, atol=self.slack)
        return bool(extreme.any(1).all())

    @property
    def slack(self) -> float:
        return tolerance.find_slack(self.metric.slack, self.metric.range, float(self.base.mean()))


def judge_cells(cells: Sequence[PairedValues]) -> list[CellResult]:
    """Judge each cell; each has at least one image. The correction is over the cells in which a value changed."""
    differences = [cell.differences for cell in cells]
    changed = [index for index, by_image in enumerate(differences) if by_image.any()]
    samples = [_make_sample(cells[index], differences[index]) for index in changed]
    intervals = [pair.difference for pair in paired.compare(samples)] if samples else []
    tested = [_test(sample) for sample in samples]
    corrected = correct([test.p for test in tested])
    tests = [Significance(float(p), test.sign) for p, test in zip(corrected, tested, strict=True)]
    evidence = dict(zip(changed, zip(intervals, tests, strict=True), strict=True))
    return [_make_result(cell, *evidence.get(index, (None, Significance(1.0, 0)))) for index, cell in enumerate(cells)]


def correct(p: Sequence[float]) -> Floats:
    """Correct the p-values of one family, within it (Holm) and for the other family (Bonferroni)."""
    return np.minimum(FAMILIES * holm(p), 1)


def _make_sample(cell: PairedValues, differences: Floats) -> PairedSample:
    return PairedSample("new", "base", differences, cell.metric.better, cell.binary)


def _test(sample: PairedSample) -> Significance:
    """Test a sample; p is NaN for one image."""
    differences = sample.differences
    if differences.size < 2:
        return Significance(nan, 0)
    if sample.binary:
        return sign_test(differences)
    return Significance(t_test(differences), int(np.sign(differences.mean())))


def t_test(values: Floats) -> float:
    """Return the two-sided p of Student's t-test that the mean of at least two values is 0; p is 0 if all values are equal.

    scipy's ttest_1samp is not used, because it warns of lost precision if values are equal within rounding.
    """
    if float(np.ptp(values)) <= tolerance.ROUNDING * float(np.abs(values).max()):
        return 0.0
    error = float(values.std(ddof=1)) / values.size**0.5
    return float(2 * t.sf(abs(float(values.mean())) / error, values.size - 1))


def _make_result(cell: PairedValues, change: Estimate | None, tested: Significance) -> CellResult:
    base, new = float(cell.base.mean()), float(cell.new.mean())
    return CellResult(
        cell.key, _decide_verdict(cell, change, tested), cell.metric.better, base, new, change, tested.p, cell.slack,
        short=cell.metric.short,
    )  # fmt: skip


def _decide_verdict(cell: PairedValues, change: Estimate | None, tested: Significance) -> Verdict:
    """Decide between better, worse, unclear and same.

    A cell is better or worse only if mean and test have the same sign: one large change may outweigh many small ones.
    """
    if change is None or abs(change.mean) <= cell.slack:
        return "same"
    excluded = cell.binary or change.low > 0 or change.high < 0
    if not excluded or not tested.p < ALPHA or np.sign(change.mean) != tested.sign:
        return "unclear"
    return "better" if (change.mean > 0) == (cell.metric.better == "higher") else "worse"


def judge_cost(key: Key, base: float, new: float) -> CellResult:
    """Judge a cost that is the same in every run: any increase beyond rounding is worse."""
    same = abs(new - base) <= EXACT * max(abs(base), abs(new)) or (isinf(base) and base == new)
    verdict: Verdict = "same" if same else "worse" if new > base else "better"
    return CellResult(key, verdict, "lower", base, new, short=key[2])
