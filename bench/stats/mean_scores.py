"""The mean score of a method by a metric, or the reasons why there is none."""

from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import Any

import pandas as pd

from .estimate import Estimate, Floats, estimate_mean

NOT_COMPUTED = "not computed"
BINARY = "yes or no"  # the unit that declares a binary metric
CURVE_AXES = ("share of pixels replaced", "score of the target")  # across and up


@dataclass(frozen=True)
class Metric:
    """A metric of a run, as the reports show it."""

    spec: str
    short: str  # the name in column heads
    better: str  # higher or lower
    unit: str
    description: str
    range: tuple[float, float]
    family: str = ""  # metrics of one family are listed together
    caveat: str = ""  # what the metric cannot show, in one sentence
    ties_of: str = ""  # the metric of which this one measures how much ties (the order of equal pixels) move a score
    tie_metric: str = ""  # the metric of the run that measures this for this one
    axes: tuple[str, ...] = ()  # what the axes of its curve show, if not those of CURVE_AXES

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"

    @property
    def curve_axes(self) -> tuple[str, ...]:
        """What the axes of its curve show: across and up."""
        return self.axes or CURVE_AXES


@dataclass(frozen=True)
class MeanScore:
    """The mean score of a method by a metric, and the number of images without a score, by reason."""

    estimate: Estimate
    reasons: dict[str, int]

    @property
    def reason(self) -> str | None:
        """Why no image has a score; None if any has one."""
        if self.estimate.n:
            return None
        return "; ".join(self.reasons) or NOT_COMPUTED

    @property
    def computed(self) -> bool:
        """Whether any image has a score, or a reason why it has none."""
        return bool(self.estimate.n or self.reasons)


def is_binary(unit: str) -> bool:
    """Tell whether a metric of this unit is binary: its values are hits and misses, 1 and 0, whose mean is a rate.

    Tests for rates judge them, unless one lies between 0 and 1 (`are_hits`).
    """
    return unit == BINARY


def estimate_score(metric: Metric, values: Floats) -> Estimate:
    """Estimate the mean of per-image values (n,) of a metric, without the NaN."""
    return estimate_mean(values, binary=is_binary(metric.unit), bounds=choose_bounds(metric, values))


def average_scores(
    scores: pd.DataFrame, values: dict[str, pd.DataFrame], metrics: list[Metric]
) -> dict[tuple[str, str], MeanScore]:
    """Compute the mean scores by (method, metric), for those that have rows in `scores`.

    `scores` are the rows of one net, and `values` the same scores as `pivot_scores` arranges them.
    """
    if not len(scores):
        return {}
    missing = scores[scores["reason"].notna()].groupby(["method", "metric"], sort=False, observed=True)["reason"]
    reasons: dict[Any, Counter[str]] = {key: Counter(map(str, rows)) for key, rows in missing}
    by_spec = {metric.spec: metric for metric in metrics}
    unique = scores[["method", "metric"]].drop_duplicates().itertuples(index=False, name=None)
    keys = [(str(method), str(metric)) for method, metric in unique]
    return {
        (method, metric): MeanScore(
            estimate_score(by_spec[metric], values[metric][method].to_numpy()), dict(reasons.get((method, metric), {}))
        )
        for method, metric in keys
    }


def parse_range(low: float | None, high: float | None) -> tuple[float, float]:
    """Parse the range of a metric from a run's header, in which None stands for an infinite end: JSON has no infinity."""
    return -inf if low is None else low, inf if high is None else high


def choose_bounds(metric: Metric, values: Floats) -> tuple[float, float]:
    """Choose the metric's range, or no bounds if a value is outside it, as scores of logits or of some protocols can be."""
    low, high = metric.range
    return metric.range if not ((values < low) | (values > high)).any() else (-inf, inf)
