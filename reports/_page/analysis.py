"""All the statistics of a page, each worked out once: a sheet for each net of each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ...bench.stats.agreement import Agreement, Consistency, agreement, consistency
from ...bench.stats.ranking import Ranking, ranking
from ...bench.stats.recommend import NEEDS, Recommendation, pareto, recommend
from ...bench.stats.summary import YES_OR_NO, Metric, Table, tables
from ...bench.store.run import Run
from .._plots.drawing import Style, styles
from .controls import Contest, contests

AXES = ("seconds", "forwards")


@dataclass(frozen=True)
class View:
    """What one metric says of the methods on one net."""

    metric: Metric
    ranking: Ranking
    contests: list[Contest]
    steady: Consistency
    needs: list[Recommendation]
    fronts: dict[str, tuple[str, ...]]  # by axis of cost, the methods that no other beats in both


@dataclass(frozen=True)
class Sheet:
    """One net of one run."""

    key: str  # names it in the page and in files
    label: str  # of its run, where there are several
    run: Run
    table: Table
    curves: pd.DataFrame
    styles: dict[str, Style]

    @property
    def title(self) -> str:
        return f"{self.table.net} · {self.label}" if self.label else self.table.net

    @cached_property
    def views(self) -> dict[str, View]:
        """By metric, of those with a value."""
        found: dict[str, list[Contest]] = {}
        for contest in contests(self.table, paired=True):
            found.setdefault(contest.metric.spec, []).append(contest)
        there = [one for one in self.table.metrics if one.spec in self.table.values]
        return {
            one.spec: _view(self.table, one, found.get(one.spec, []))
            for one in there
            if self.table.values[one.spec].notna().any(axis=None)
        }

    @cached_property
    def agreements(self) -> list[Agreement]:
        """Each two metrics that say anything of two methods."""
        values = {spec: self.table.values[spec] for spec, view in self.views.items() if len(view.ranking.places) > 1}
        return agreement(values, {spec: self.views[spec].metric.better for spec in values}) if len(values) > 1 else []

    @cached_property
    def first(self) -> View | None:
        """The view that a reader sees first: of metrics with curves the first of which more is better."""
        drawn = set(self.curves["metric"]) if len(self.curves) else set()

        def order(view: View) -> tuple[bool, bool]:
            return view.metric.spec not in drawn, view.metric.better != "higher"

        return min(self.views.values(), key=order, default=None)


def sheets(runs: Sequence[Run]) -> list[Sheet]:
    labels = names(runs) if len(runs) > 1 else [""]
    methods = list(dict.fromkeys(method for run in runs for method in run.header["methods"]))
    controls = [one for one in methods if any(run.header["methods"].get(one, {}).get("control") for run in runs)]
    drawn = styles(methods, controls)
    found: list[Sheet] = []
    for run, label in zip(runs, labels, strict=True):
        curves = run.table("curves")
        for table in tables(run):
            own = curves[curves["net"] == table.net] if len(curves) else curves
            found.append(Sheet(f"s{len(found)}", label, run, table, own, drawn))
    return found


def names(runs: Sequence[Run]) -> list[str]:
    """What each run is called beside the others: by its directory, with as many folders as tell them apart."""
    parts = [run.directory.resolve().parts for run in runs]
    for depth in range(1, max(map(len, parts)) + 1):
        short = ["/".join(one[-depth:]) for one in parts]
        if len(set(short)) == len(short):
            return short
    return [f"{'/'.join(one[-1:])} ({place})" for place, one in enumerate(parts, 1)]


def _view(table: Table, metric: Metric, found: list[Contest]) -> View:
    values = table.values[metric.spec]
    low, high = metric.range
    inside = ((values >= low) & (values <= high) | values.isna()).all(axis=None)
    rates = metric.unit == YES_OR_NO
    within = metric.range if inside else (float("-inf"), float("inf"))
    made = ranking(values, better=metric.better, controls=table.controls, yes_or_no=rates, within=within)
    prices = {axis: {method: float(getattr(cost, axis)) for method, cost in table.costs.items()} for axis in AXES}
    return View(
        metric, made, found, consistency(values), [recommend(made, table.costs, need) for need in NEEDS],
        {axis: pareto(made, known) for axis, known in prices.items()},
    )  # fmt: skip
