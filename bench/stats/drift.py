"""How far scores in a lower precision, or of compiled passes, lie from those in fp32, and whether a ranking changed.

Measured on the images of a run that were scored in both (`bench run --drift N`); maps are made in fp32, but the forward passes
of a method that scores masked images run in the same precision as the metrics'.
"""

from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from ..store.run import Run

KEYS = ["image", "net", "method", "metric"]


@dataclass(frozen=True)
class Drift:
    """Of a metric on a net: the mean and the largest absolute change of a score, and what it did to the ranking."""

    metric: str
    n: int  # pairs of scores
    mean: float
    most: float
    swapped: tuple[tuple[str, str], ...]  # methods whose means change places, the one that is first in fp32 first


def drifts(run: Run, net: str) -> list[Drift]:
    """The drift of each metric on a net, in the order of the run; none where nothing was scored in fp32 as well."""
    exact = run.table("drift")
    if not len(exact):
        return []
    both = run.table("scores")[[*KEYS, "value"]].merge(exact[[*KEYS, "value"]], on=KEYS, suffixes=("", "_exact"))
    both = both[both["net"] == net].dropna(subset=["value", "value_exact"])
    metrics = run.header["metrics"]
    return [
        _drift(spec, both[both["metric"] == spec], higher=metrics[spec]["better"] == "higher")
        for spec in metrics
        if (both["metric"] == spec).any()
    ]


def _drift(metric: str, both: pd.DataFrame, *, higher: bool) -> Drift:
    change = (both["value"] - both["value_exact"]).abs()
    means = (
        both.groupby("method", sort=False)[["value_exact", "value"]]
        .mean()
        .sort_values("value_exact", ascending=not higher)
    )
    sign = 1 if higher else -1
    swapped = [
        (first, second)
        for first, second in combinations(means.index, 2)
        if means["value_exact"][first] != means["value_exact"][second]
        and sign * (means["value"][first] - means["value"][second]) < 0
    ]
    return Drift(metric, len(both), float(change.mean()), float(change.max()), tuple(swapped))
