"""From a run to what is shown of it: estimates or reasons, costs, accuracy."""

from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd

from ..core.formatting import number, plural
from ..store.run import Run
from .cells import YES_OR_NO, Entry, Metric, entries, limits
from .estimate import mean
from .frames import by_metric

__all__ = ["YES_OR_NO", "Cost", "Entry", "Metric", "Table", "accuracy", "metrics", "table", "tables"]


@dataclass(frozen=True)
class Cost:
    """Of one explanation: the median of the seconds and their quartiles, the work in predictions, the peak of memory."""

    seconds: float
    quartiles: tuple[float, float]
    forwards: float
    peak_bytes: float


@dataclass(frozen=True)
class Table:
    """All that is shown of a net."""

    net: str
    layer: str
    precision: str
    images: int  # that are complete
    planned: int
    methods: list[str]
    controls: list[str]  # among the methods
    metrics: list[Metric]
    entries: dict[tuple[str, str], Entry]  # by method and metric
    costs: dict[str, Cost]
    constant: dict[str, int]  # how many maps of a method are constant
    broken: dict[str, int]  # and how many of these because they were not finite
    accuracy: str
    values: dict[str, pd.DataFrame]  # by metric: a row per image, a column per method

    def entry(self, method: str, metric: Metric) -> Entry:
        return self.entries.get((method, metric.spec), Entry(mean([]), {}))

    def best(self, metric: Metric) -> list[str]:
        """The methods with the best mean, as shown: those that show the same number share the place."""
        means = {method: self.entry(method, metric).estimate.mean for method in self.methods}
        known = {method: value for method, value in means.items() if not isnan(value)}
        if not known:
            return []
        first = (max if metric.better == "higher" else min)(known.values())
        return [method for method, value in known.items() if number(value) == number(first)]

    def count(self, metric: Metric) -> int | None:
        """How many images the means of a metric are of; None where the methods differ."""
        counts = {self.entry(method, metric).estimate.n for method in self.methods} - {0}
        return counts.pop() if len(counts) == 1 else None


def table(run: Run, net: str, scores: pd.DataFrame | None = None) -> Table:
    """What a run has of a net so far; all of it is empty where nothing is written yet."""
    scores = _of(run.table("scores") if scores is None else scores, net)
    cells = set(scores["image"]) if len(scores) else set()
    methods = list(run.header["methods"])
    columns, values = metrics(run), by_metric(scores, methods)
    cost = _of(run.table("cost"), net, cells)
    return Table(
        net=net,
        layer=str(run.header["nets"].get(net, {}).get("layer", "")),
        precision=str(run.header["suite"].get("precision", "")),
        images=len(cells),
        planned=len(run.header["data"].get("images", [])),
        methods=methods,
        controls=[spec for spec in methods if run.header["methods"][spec]["control"]],
        metrics=columns,
        entries=entries(scores, values, columns),
        values=values,
        costs={str(method): _cost(rows) for method, rows in cost.groupby("method")} if len(cost) else {},
        constant=_flagged(scores, "constant_map"),
        broken=_flagged(scores, "nan_map"),
        accuracy=accuracy(_of(run.table("predictions"), net, cells)),
    )


def tables(run: Run) -> list[Table]:
    """A table for each net of a run."""
    scores = run.table("scores")
    return [table(run, net, scores) for net in run.header["nets"]]


def metrics(run: Run) -> list[Metric]:
    return [_metric(spec, about) for spec, about in run.header["metrics"].items()]


def _metric(spec: str, about: dict[str, Any]) -> Metric:
    short, better, unit, description = (str(about[key]) for key in ("short", "better", "unit", "description"))
    return Metric(spec, short, better, unit, description, limits(*about["range"]), *_words(about))


def _words(about: dict[str, Any]) -> tuple[str, str]:
    """A metric's family and caveat; older runs have neither."""
    return str(about.get("family", "")), str(about.get("caveat", ""))


def accuracy(predictions: pd.DataFrame) -> str:
    """One line: how well a net knows the images."""
    if not len(predictions):
        return "no prediction yet"
    single = predictions[predictions["objects"] <= 1]
    labelled, two = single["top1"].dropna().astype(bool), predictions["top2"].dropna().astype(bool)
    kind = "single-object image" if len(two) else "image"
    parts = [f"top-1 {labelled.sum()} of {plural(len(labelled), kind)}"] if len(labelled) else []
    if not predictions["top1"].notna().any():
        parts = ["the images have no labels that the net knows"]
    if len(two):
        parts.append(f"both true classes in the top 2 on {two.sum()} of {plural(len(two), 'two-object image')}")
    parts.append(f"mean probability of the class explained {number(predictions['probability'].mean())}")
    return "; ".join(parts)


def _of(rows: pd.DataFrame, net: str, images: set[str] | None = None) -> pd.DataFrame:
    """The rows of a net, and only of those images that are complete where they are named."""
    if not len(rows):
        return rows
    rows = rows[rows["net"] == net]
    return rows if images is None else rows[rows["image"].isin(images)]


def _cost(rows: pd.DataFrame) -> Cost:
    low, middle, high = rows["seconds"].quantile([0.25, 0.5, 0.75])
    return Cost(
        float(middle), (float(low), float(high)), float(rows["forwards"].max()), float(rows["peak_bytes"].max())
    )


def _flagged(scores: pd.DataFrame, flag: str) -> dict[str, int]:
    if not len(scores):
        return {}
    flat: Any = scores[scores[flag].fillna(False).astype(bool)].groupby("method")["image"].nunique()
    return {str(method): int(count) for method, count in flat.items()}
