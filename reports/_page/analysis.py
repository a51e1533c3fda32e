"""The statistics behind the page, computed once for each net of each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ...bench.stats.agreement import Agreement, Consistency, measure_agreement, measure_consistency
from ...bench.stats.answer import Answer, describe_outcome, find_answer
from ...bench.stats.controls import ControlComparison
from ...bench.stats.mean_scores import Metric
from ...bench.stats.pareto import find_pareto_front
from ...bench.stats.ranking import Ranking
from ...bench.stats.standings import MetricStandings, Standings, find_standings
from ...bench.stats.summary import Table, build_tables
from ...bench.store.comparability import NetImages, find_net_images
from ...bench.store.run import Run
from .._plots.drawing import Style, assign_styles

AXES = ("seconds", "forwards")  # of cost


@dataclass(frozen=True)
class MetricAnalysis:
    """The methods on one net by one metric."""

    metric: Metric
    ranking: Ranking
    comparisons: list[ControlComparison]
    consistency: Consistency
    fronts: dict[str, tuple[str, ...]]  # by axis of cost: the methods on the Pareto front, cheapest first


@dataclass(frozen=True)
class NetAnalysis:
    """One net of one run."""

    key: str  # identifies it within the page
    run_label: str  # empty if the page shows one run
    run: Run
    table: Table
    styles: dict[str, Style]

    @property
    def title(self) -> str:
        return f"{self.table.net} · {self.run_label}" if self.run_label else self.table.net

    @cached_property
    def images(self) -> NetImages:
        """The images that are done, as they are compared with those of other runs."""
        return find_net_images(self.run.header, self.run.table("predictions", net=self.table.net), self.table.net)

    @property
    def curves(self) -> pd.DataFrame:
        """The curves on the net. They are read each time, because those of all nets may not fit into the memory."""
        return self.run.table(
            "curves", columns=["dataset", "image", "method", "metric", "shares", "scores"], net=self.table.net
        )

    @cached_property
    def standings(self) -> Standings:
        """How the methods stand by each metric of which a method has a score."""
        return find_standings(self.table)

    @cached_property
    def answer(self) -> Answer | None:
        """The answer by a balanced choice of the metrics; None without a score."""
        return find_answer(self.table, known=self.standings)

    @property
    def answer_text(self) -> str:
        """The answer in one sentence, or that there is none; empty without an image."""
        return describe_outcome(self.table, self.answer)

    def find_answer(self, metric: str) -> Answer | None:
        """Find the answer by one metric."""
        return find_answer(self.table, [metric], self.standings)

    @cached_property
    def by_metric(self) -> dict[str, MetricAnalysis]:
        """The analysis of each metric of which a method has a score."""
        return {spec: _analyse_metric(self.table, standings) for spec, standings in self.standings.by_metric.items()}

    @cached_property
    def agreements(self) -> list[Agreement]:
        """The agreement of each two metrics that rank at least two methods."""
        ranked = {spec: metric for spec, metric in self.by_metric.items() if metric.consistency.methods > 1}
        if len(ranked) < 2:
            return []
        by_metric = self.standings.by_metric
        values = {spec: by_metric[spec].select_ranked(self.table.values[spec]) for spec in ranked}
        return measure_agreement(values, {spec: analysis.metric.better for spec, analysis in ranked.items()})

    @cached_property
    def primary(self) -> MetricAnalysis | None:
        """The metric that the page shows first: preferably one with curves, then one where higher is better."""
        with_curves = set(self.run.table("curves", columns=["metric"], net=self.table.net)["metric"])

        def order(analysis: MetricAnalysis) -> tuple[bool, bool]:
            return analysis.metric.spec not in with_curves, analysis.metric.better != "higher"

        return min(self.by_metric.values(), key=order, default=None)


def analyse(runs: Sequence[Run]) -> list[NetAnalysis]:
    """Analyse each net of each run. A method has the same style in all figures."""
    labels = label_runs(runs) if len(runs) > 1 else [""]
    method_styles = _assign_styles(runs)
    analyses: list[NetAnalysis] = []
    for run, label in zip(runs, labels, strict=True):
        for table in build_tables(run):
            analyses.append(NetAnalysis(f"s{len(analyses)}", label, run, table, method_styles))
    return analyses


def label_runs(runs: Sequence[Run]) -> list[str]:
    """Label each run by the name of its directory, with as many parent folders as are needed to tell the runs apart."""
    paths = [run.directory.resolve().parts for run in runs]
    for depth in range(1, max(map(len, paths)) + 1):
        labels = ["/".join(parts[-depth:]) for parts in paths]
        if len(set(labels)) == len(labels):
            return labels
    return [f"{'/'.join(parts[-1:])} ({number})" for number, parts in enumerate(paths, 1)]


def _assign_styles(runs: Sequence[Run]) -> dict[str, Style]:
    headers: dict[str, bool] = {}  # by method: whether some run has it as a control
    for run in runs:
        for method, header in run.header.methods.items():
            headers[method] = headers.get(method, False) or header.control
    return assign_styles(list(headers), [method for method, control in headers.items() if control])


def _analyse_metric(table: Table, standings: MetricStandings) -> MetricAnalysis:
    metric, ranking = standings.metric, standings.ranking
    costs = {axis: {method: float(getattr(cost, axis)) for method, cost in table.costs.items()} for axis in AXES}
    fronts = {axis: find_pareto_front(ranking, by_method) for axis, by_method in costs.items()}
    consistency = measure_consistency(standings.select_ranked(table.values[metric.spec]))
    return MetricAnalysis(metric, ranking, standings.comparisons, consistency, fronts)
