"""Drift: how far a lower precision, or compiled forward passes, change scores from those in fp32, and whether rankings change.

Drift is measured on the images that a run scored in both precisions (`bench run --drift N`). The maps are those of fp32, but
methods that score masked images compute these scores in the precision of the metrics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from ..store.header import MetricHeader
from ..store.run import Run

KEYS = ["image", "net", "method", "metric"]


@dataclass(frozen=True)
class Drift:
    """The absolute change of the scores of a metric on a net, and the changes in the ranking of methods."""

    metric: str
    n: int  # scores that were computed in both precisions
    mean: float  # absolute change
    largest: float  # absolute change
    swapped: tuple[tuple[str, str], ...]  # methods whose means change order, the better one in fp32 first


def measure_drift(run: Run, net: str) -> list[Drift]:
    """Measure the drift of each metric on a net, in the order of the run; empty if nothing was scored in fp32 as well."""
    exact, scores = (run.table(name, columns=[*KEYS, "value"], net=net) for name in ("drift", "scores"))
    return compare_precisions(exact, scores, run.header.metrics)


def compare_precisions(exact: pd.DataFrame, scores: pd.DataFrame, metrics: Mapping[str, MetricHeader]) -> list[Drift]:
    """Compare scores on one net with those in fp32, by metric, in the order of `metrics`."""
    both = scores.merge(exact, on=KEYS, suffixes=("", "_exact")).dropna(subset=["value", "value_exact"])
    return [
        _measure_metric(spec, both[both["metric"] == spec], higher=metric.better == "higher")
        for spec, metric in metrics.items()
        if (both["metric"] == spec).any()
    ]


def _measure_metric(metric: str, scores: pd.DataFrame, *, higher: bool) -> Drift:
    """Measure the drift of one metric; `higher` says whether higher values are better."""
    changes = (scores["value"] - scores["value_exact"]).abs()
    means = (
        scores.groupby("method", sort=False, observed=True)[["value_exact", "value"]]
        .mean()
        .sort_values("value_exact", ascending=not higher)
    )
    sign = 1 if higher else -1
    swapped = [
        (better, worse)
        for better, worse in combinations(means.index, 2)
        if means["value_exact"][better] != means["value_exact"][worse]
        and sign * (means["value"][better] - means["value"][worse]) < 0
    ]
    return Drift(metric, len(scores), float(changes.mean()), float(changes.max()), tuple(swapped))
