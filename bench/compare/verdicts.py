"""The verdicts of a comparison, and how the differences of paired values come to one.

Wilcoxon's test has no power on a few images (of 5 it can never say better than p = .06), so values have Student's t, and yes
or no the exact sign test. A method's metrics are corrected for all that changed (Holm), which on a few images leaves little:
Grad-CAM turned upside down passes on 8. So each method is also judged by all of its metrics at once (see overall.py). Each of
the two takes half of the false alarms allowed: a comparison in which nothing but noise changed calls anything worse or better
once in twenty times at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf, nan
from typing import Any, Literal

import numpy as np
from scipy.stats import t

from ..core import tolerance as slack
from ..stats import paired
from ..stats.estimate import Estimate, Floats
from ..stats.paired import Question
from ..stats.significance import Tested, holm, sign_test
from .snapshot import Key

ALPHA = 0.05  # the chance of a false alarm in a comparison
FAMILIES = 2  # of tests: of each metric, and of each method by all its metrics
OVERALL = "overall"

Verdict = Literal["worse", "broken", "gone", "not comparable", "unclear", "better", "fixed", "new", "same"]
FAILING: tuple[Verdict, ...] = ("worse", "broken", "gone", "not comparable")


@dataclass(frozen=True)
class Judged:
    """A metric, or a cost, of a method on a net in two runs."""

    key: Key
    verdict: Verdict
    better: str = ""  # higher or lower
    base: float = nan  # means over the images of both, or costs
    new: float = nan
    change: Estimate | None = None  # new less base, with its 95 % interval; none of what is not measured image by image
    p: float = nan  # corrected for all that was tested
    slack: float = 0.0
    why: str = ""  # for what is not a number
    short: str = ""  # the metric's head in a table


@dataclass(frozen=True)
class Paired:
    """The values of a cell on the images that both runs have a value of."""

    key: Key
    images: tuple[str, ...]  # n of them
    base: Floats  # (n,)
    new: Floats  # (n,)
    metric: dict[str, Any]  # as a run tells of it

    @property
    def differences(self) -> Floats:
        found = self.new - self.base
        most = max(float(np.abs(self.base).max(initial=0)), float(np.abs(self.new).max(initial=0)))
        return np.where(np.abs(found) <= slack.rounding(self.metric["range"], most), 0.0, found)

    @property
    def yes_or_no(self) -> bool:
        """Whether every value lies at an end of the metric's range: then shares are yes or no in effect.

        (Two images whose share goes from 0 to .9997 and to 1 are two flips, not differences that agree to four digits.)
        """
        ends = list(self.metric["range"])
        if self.metric["unit"] == "yes or no" or ends != [0, 1]:
            return self.metric["unit"] == "yes or no"
        extreme = np.isclose(np.concatenate([self.base, self.new])[:, None], ends, rtol=0, atol=self.slack)
        return bool(extreme.any(1).all())

    @property
    def slack(self) -> float:
        return slack.slack(self.metric.get("slack"), self.metric["range"], float(self.base.mean()))


def judged(cells: Sequence[Paired]) -> list[Judged]:
    """A verdict each, of cells with an image at least; the correction is over those that changed at all."""
    differences = [cell.differences for cell in cells]
    changed = [number for number, found in enumerate(differences) if found.any()]
    questions = [_question(cells[number], differences[number]) for number in changed]
    intervals = [pair.difference for pair in paired.compare(questions)] if questions else []
    tested = [_tested(question) for question in questions]
    corrected = [Tested(float(p), one.side) for p, one in zip(family([one.p for one in tested]), tested, strict=True)]
    told = dict(zip(changed, zip(intervals, corrected, strict=True), strict=True))
    return [_judged(cell, *told.get(number, (None, Tested(1.0, 0)))) for number, cell in enumerate(cells)]


def family(found: Sequence[float]) -> Floats:
    """p-values corrected for those of their family and for the other family."""
    return np.minimum(FAMILIES * holm(found), 1)


def _question(cell: Paired, differences: Floats) -> Question:
    return Question("new", "base", differences, cell.metric["better"], cell.yes_or_no)


def _tested(question: Question) -> Tested:
    """Of one image there is no p (NaN)."""
    found = question.differences
    if found.size < 2:
        return Tested(nan, 0)
    if question.yes_or_no:
        return sign_test(found)
    return Tested(student(found), int(np.sign(found.mean())))


def student(found: Floats) -> float:
    """The two-sided p of Student's t that the mean of two values or more is 0; values that are all alike leave no doubt."""
    if float(np.ptp(found)) <= slack.ROUNDING * float(np.abs(found).max()):
        return 0.0
    error = float(found.std(ddof=1)) / found.size**0.5
    return float(2 * t.sf(abs(float(found.mean())) / error, found.size - 1))


def _judged(cell: Paired, change: Estimate | None, tested: Tested) -> Judged:
    base, new = float(cell.base.mean()), float(cell.new.mean())
    return Judged(
        cell.key, _verdict(cell, change, tested), cell.metric["better"], base, new, change, tested.p, cell.slack,
        short=cell.metric["short"],
    )  # fmt: skip


def _verdict(cell: Paired, change: Estimate | None, tested: Tested) -> Verdict:
    """The side of the mean, where the test finds the images on that side too: one large change may outweigh many small ones."""
    if change is None or abs(change.mean) <= cell.slack:
        return "same"
    excluded = cell.yes_or_no or change.low > 0 or change.high < 0
    if not excluded or not tested.p < ALPHA or np.sign(change.mean) != tested.side:
        return "unclear"
    return "better" if (change.mean > 0) == (cell.metric["better"] == "higher") else "worse"


def cost(key: Key, base: float, new: float, *, tolerance: float) -> Judged:
    """Of costs that are the same every time: any more than rounding is worse."""
    same = abs(new - base) <= tolerance * max(abs(base), abs(new)) or (isinf(base) and base == new)
    verdict: Verdict = "same" if same else "worse" if new > base else "better"
    return Judged(key, verdict, "lower", base, new, short=key[2])
