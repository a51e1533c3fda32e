"""Summaries of a run, one for each net: mean scores or reasons, costs, and the accuracy of the net."""

from dataclasses import dataclass, replace
from math import inf, isnan, nan
from typing import Any

import pandas as pd

from ..core.formatting import format_count, format_number
from ..store.header import MetricHeader
from ..store.run import Run
from .estimate import estimate_mean
from .frames import keep_ranked, pivot_scores
from .image_notes import describe_images
from .mean_scores import MeanScore, Metric, average_scores, parse_range
from .outcome import Race, find_race

SCORES = ("dataset", "image", "method", "metric", "value", "reason", "constant_map", "nan_map")  # columns


@dataclass(frozen=True)
class Cost:
    """The cost of one explanation by a method on a net; NaN for what was not measured."""

    seconds: float  # of an image alone: the median over the images that were timed so
    quartiles: tuple[float, float]  # of the seconds
    forwards: float  # the work, in units of one forward pass
    peak_bytes: float
    images_per_second: float = nan  # in a batch
    batch: int = 0  # the number of images of that batch; 0 if none was timed

    @property
    def price(self) -> tuple[float, float]:
        """What the cheapest method has least of: forwards, the same on every machine, and among equals seconds.

        Forwards that differ by less than a tenth are equal.
        """
        forwards, seconds = (inf if isnan(value) else value for value in (self.forwards, self.seconds))
        return round(forwards, 1), seconds


@dataclass(frozen=True)
class Table:
    """The results of a run on one net."""

    net: str
    layer: str
    precision: str
    images: int  # that are complete
    planned: int  # images of the run
    methods: list[str]
    controls: list[str]  # a subset of the methods
    metrics: list[Metric]
    mean_scores: dict[tuple[str, str], MeanScore]  # by method and metric
    costs: dict[str, Cost]  # by method
    constant_maps: dict[str, int]  # by method: the number of constant maps
    nonfinite_maps: dict[str, int]  # by method: how many of these are constant because they were not finite
    accuracy: str
    image_notes: list[str]  # what should be said of the images and their labels
    values: dict[str, pd.DataFrame]  # by metric: one row per image, one column per method
    race: Race | None = None  # None: every method is to be scored on every image

    def find_mean_score(self, method: str, metric: Metric) -> MeanScore:
        """Find the mean score of a method; one without images if there are no rows."""
        return self.mean_scores.get((method, metric.spec)) or MeanScore(estimate_mean([]), {})

    def find_tie_effect(self, method: str, metric: Metric) -> float:
        """Find how much ties, the order of equal pixels, move the mean score of a method; NaN if it was not measured."""
        found = self.mean_scores.get((method, metric.tie_metric))
        return found.estimate.mean if found else nan

    def knows_ties(self, metric: Metric) -> bool:
        """Tell whether it is known for some method how much ties move its mean."""
        values = self.values.get(metric.tie_metric)
        return values is not None and bool(values.notna().any(axis=None))

    def is_moved_by_ties(self, method: str, metric: Metric) -> bool:
        """Tell whether ties move the mean score of a method by more than half the width of its interval."""
        estimate = self.find_mean_score(method, metric).estimate
        return self.find_tie_effect(method, metric) > (estimate.high - estimate.low) / 2

    def count_images(self, method: str) -> int:
        """Count the images on which a method is done, whether it has a score there or a reason why not."""
        found = [self.find_mean_score(method, metric) for metric in self.metrics]
        return max((mean_score.estimate.n + sum(mean_score.reasons.values()) for mean_score in found), default=0)

    def find_best(self, metric: Metric) -> list[str]:
        """Find the methods, without the controls, with the best mean; several if their means are the same as printed.

        The means are over the images that all methods have, without those that have fewer than half as many as another.
        """
        if metric.spec not in self.values:
            return []
        values = self.values[metric.spec].drop(columns=self.controls)
        shared = keep_ranked(values)
        defined = {str(method): float(value) for method, value in shared.mean().items()}
        if not len(shared) or not defined:
            return []
        best = (max if metric.better == "higher" else min)(defined.values())
        return [method for method, value in defined.items() if format_number(value) == format_number(best)]

    def count(self, metric: Metric) -> int | None:
        """Return the number of images of each mean of a metric; None if the methods differ, or none has a score."""
        counts = {self.find_mean_score(method, metric).estimate.n for method in self.methods} - {0}
        return counts.pop() if len(counts) == 1 else None


def build_table(run: Run, net: str) -> Table:
    """Summarise what a run has written for a net so far."""
    scores, cost = run.table("scores", columns=SCORES, net=net), run.table("cost", net=net)
    methods = list(run.header.methods)
    metrics, values = list_metrics(run), pivot_scores(scores, methods)
    predictions, failed = run.table("predictions", net=net), {*run.table("failures", net=net)["image"]}
    costs = {str(method): _summarise_cost(rows) for method, rows in cost.groupby("method", observed=True)}
    return Table(
        net=net,
        layer=run.header.nets[net].layer,
        precision=run.header.nets[net].precision or run.header.suite.precision,
        images=scores["image"].nunique(),
        planned=len(run.header.data.images),
        methods=methods,
        controls=[spec for spec in methods if run.header.methods[spec].control],
        metrics=metrics,
        mean_scores=average_scores(scores, values, metrics),
        values=values,
        costs=costs,
        constant_maps=_count_maps(scores, "constant_map"),
        nonfinite_maps=_count_maps(scores, "nan_map"),
        accuracy=describe_accuracy(predictions),
        image_notes=describe_images(run.header, net, predictions),
        race=find_race(run.header, scores, {method: entry.forwards for method, entry in costs.items()}, failed),
    )


def build_tables(run: Run) -> list[Table]:
    """Build a table for each net of a run."""
    return [build_table(run, net) for net in run.header.nets]


def list_metrics(run: Run) -> list[Metric]:
    """List the metrics of a run, in its order."""
    header = run.header
    return [_make_metric(spec, facts, header.find_tie_metric(spec)) for spec, facts in header.metrics.items()]


def _make_metric(spec: str, header: MetricHeader, tie_metric: str) -> Metric:
    return Metric(
        spec, header.short, header.better, header.unit, header.description, parse_range(*header.range), header.family,
        header.caveat, header.ties_of, tie_metric, header.axes,
    )  # fmt: skip


def describe_accuracy(predictions: pd.DataFrame) -> str:
    """Describe in one line how well a net classifies the images, and how probable the explained classes are."""
    if not len(predictions):
        return "no prediction yet"
    others = predictions[predictions["top2"].isna()].dropna(subset=["top1"])
    top1, top2 = others["top1"].astype(bool), predictions["top2"].dropna().astype(bool)
    kind = "image" if top2.empty else "single-object image" if (others["objects"] == 1).all() else "other image"
    two_classes = f"both true classes in the top 2 on {top2.sum()} of {format_count(len(top2), 'two-object image')}"
    parts = [f"top-1 {top1.sum()} of {format_count(len(top1), kind)}"] if len(top1) else []
    if not predictions["top1"].notna().any():
        parts = ["the images have no labels that the net knows"]
    if len(top2):
        parts.insert(0 if kind == "other image" else len(parts), two_classes)
    parts.append(f"mean probability of the class explained {format_number(predictions['probability'].mean())}")
    return "; ".join(parts)


def _summarise_cost(rows: pd.DataFrame) -> Cost:
    low, median, high = rows["seconds"].quantile([0.25, 0.5, 0.75])
    cost = Cost(
        float(median), (float(low), float(high)), float(rows["forwards"].max()), float(rows["peak_bytes"].max())
    )
    timed = rows[["batch_seconds", "batch"]].dropna()
    if timed.empty:
        return cost
    return replace(cost, images_per_second=float(1 / timed["batch_seconds"].mean()), batch=int(timed["batch"].max()))


def _count_maps(scores: pd.DataFrame, flag: str) -> dict[str, int]:
    """Count, by method, the images whose map has a flag; methods without such a map are left out."""
    counts: Any = scores[scores[flag]].groupby("method", observed=True)["image"].nunique()
    return {str(method): int(count) for method, count in counts.items()}
