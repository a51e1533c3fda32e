"""What a method scored by a metric: an estimate, or the reasons why there is none."""

from collections import Counter
from dataclasses import dataclass
from math import inf
from typing import Any

import pandas as pd

from .estimate import Estimate, Floats, means

YES_OR_NO = "yes or no"  # the unit of a rate


@dataclass(frozen=True)
class Metric:
    """A metric as its column shows it."""

    spec: str
    short: str
    better: str  # higher or lower
    unit: str
    description: str
    range: tuple[float, float]
    family: str = ""  # metrics of one kind stand together
    caveat: str = ""  # what it cannot tell, in one sentence

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"

    def ahead(self, one: float, other: float) -> bool:
        return one > other if self.better == "higher" else one < other


@dataclass(frozen=True)
class Entry:
    """What a method scored by a metric, and for how many images there is no score, by reason."""

    estimate: Estimate
    reasons: dict[str, int]

    @property
    def reason(self) -> str | None:
        """Why there is no score at all; None where there is one."""
        if self.estimate.n:
            return None
        return "; ".join(self.reasons) or "no result yet"


def entries(
    scores: pd.DataFrame, values: dict[str, pd.DataFrame], columns: list[Metric]
) -> dict[tuple[str, str], Entry]:
    """By method and metric, where there are rows at all."""
    if not len(scores):
        return {}
    without = scores[scores["reason"].notna()].groupby(["method", "metric"], sort=False)["reason"]
    reasons: dict[Any, Counter[str]] = {key: Counter(map(str, said)) for key, said in without}
    of = {metric.spec: metric for metric in columns}
    there = scores[["method", "metric"]].drop_duplicates().itertuples(index=False, name=None)
    keys = [(str(method), str(metric)) for method, metric in there]
    found = [values[metric][method].to_numpy() for method, metric in keys]
    within = [_within(of[metric], one) for (_, metric), one in zip(keys, found, strict=True)]
    rates = [of[metric].unit == YES_OR_NO for _, metric in keys]
    made = zip(keys, means(found, within, rates), strict=True)
    return {key: Entry(estimate, dict(reasons.get(key, {}))) for key, estimate in made}


def limits(low: float | None, high: float | None) -> tuple[float, float]:
    """A range: a run's header has no number for what is without end."""
    return -inf if low is None else low, inf if high is None else high


def _within(metric: Metric, values: Floats) -> tuple[float, float]:
    """The metric's range; scores of logits, and settings of a protocol, can lie outside, and then nothing is cut."""
    low, high = metric.range
    return metric.range if not ((values < low) | (values > high)).any() else (-inf, inf)
