"""How the methods of a net stand by each metric of a run, and by several together: which beat every control, which tie."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, inf

import pandas as pd

from .controls import ControlComparison, compare_with_controls
from .estimate import are_alike
from .mean_scores import Metric, is_binary
from .outcome import Standing
from .paired import Pair
from .ranking import Ranking, rank_by_metric
from .significance import count_decisive_images
from .summary import Table


@dataclass(frozen=True)
class MetricStandings:
    """How the methods of a net stand by one metric."""

    metric: Metric
    standings: dict[str, Standing]  # by method, without the controls
    ranking: Ranking
    comparisons: list[ControlComparison]  # of each method with each control

    @property
    def top(self) -> list[str]:
        """The methods that beat every control and tie with the best, best first."""
        return [
            ranked.method for ranked in self.ranking.methods if self.standings.get(ranked.method) in ("best", "tie")
        ]

    @property
    def decisive_images(self) -> int:
        """The least number of images that must differ if a method is to be shown to beat a control."""
        return ceil(count_decisive_images(max(len(self._pairs_with_controls), 1)))

    @property
    def different_images(self) -> int:
        """The most images on which a method and a control differ."""
        return max((pair.different for pair in self._pairs_with_controls), default=0)

    @property
    def has_too_few_images(self) -> bool:
        """Whether no method can be shown to beat a control: on too few images, or because too few differ, if any does."""
        return self.ranking.n < self.decisive_images or 0 < self.different_images < self.decisive_images

    @property
    def _pairs_with_controls(self) -> list[Pair]:
        """The comparisons of the ranked methods with the controls."""
        left_out = self.ranking.left_out
        return [each.pair for each in self.comparisons if each.pair and each.method not in left_out]

    @property
    def tie_effect(self) -> float:
        """How much ties, the order of equal pixels, move a mean where only they keep a comparison undecided; 0 for none.

        The comparisons are those of the best method, and of the methods that tie with it, with the controls.
        """
        with_best = [ranked.best_pair for ranked in self.ranking.methods if not ranked.control]
        top_group = self.ranking.top_group
        with_controls = [pair for pair in self._pairs_with_controls if pair.first in top_group]
        return max((pair.tie_effect for pair in (*with_best, *with_controls) if pair and pair.overruled), default=0.0)

    def select_ranked(self, values: pd.DataFrame) -> pd.DataFrame:
        """Select the methods that are ranked, without the controls: those with values on enough images to compare them."""
        return values[[ranked.method for ranked in self.ranking.methods if not ranked.control]]

    @property
    def rivals(self) -> list[str]:
        """The methods that tie with the best, though they are not shown to beat every control."""
        return [method for method in self.ranking.top_group if method not in self.top]


@dataclass(frozen=True)
class Standings:
    """How the methods of a net stand by each metric, and which have the same scores."""

    by_metric: dict[str, MetricStandings]  # by spec
    alike: tuple[tuple[str, ...], ...]  # groups of methods with the same scores, up to rounding, on every image


@dataclass(frozen=True)
class Evidence:
    """What some metrics say together about the methods of a net.

    Attributes:
        table: the scores of the net.
        by: how the methods stand by each of the metrics, at least one.
        alike: groups of methods that have the same scores, up to rounding, on every image.
    """

    table: Table
    by: tuple[MetricStandings, ...]
    alike: tuple[tuple[str, ...], ...]

    @cached_property
    def top(self) -> tuple[str, ...]:
        """The methods that beat every control and tie with the best by every metric, in the order of the run."""
        return tuple(method for method in self.table.methods if all(method in each.top for each in self.by))

    @cached_property
    def cheapest_first(self) -> tuple[str, ...]:
        """The methods at the top, the cheapest first."""
        costs = self.table.costs
        return tuple(sorted(self.top, key=lambda method: costs[method].price if method in costs else (inf, inf)))

    @cached_property
    def rivals(self) -> tuple[str, ...]:
        """The methods that tie with the best by every metric, as those at the top do, but do not beat all controls."""
        ties = [{*of_metric.top, *of_metric.rivals} for of_metric in self.by]
        tied = [method for method in self.table.methods if all(method in tie for tie in ties)]
        return tuple(method for method in tied if method not in self.top)

    @property
    def images(self) -> int:
        """On how many images methods were compared: the least of several metrics; of a race, the most."""
        return self.table.race.images if self.table.race else min(of_metric.ranking.n for of_metric in self.by)

    @property
    def most_images(self) -> int:
        """The most images on which methods were compared: metrics that apply to some images only have fewer."""
        return self.images if self.table.race else max(of_metric.ranking.n for of_metric in self.by)

    @property
    def is_too_little(self) -> bool:
        """Whether no method could have been shown to beat the controls by any of the metrics on so few images."""
        verdicts = {comparison.verdict for of_metric in self.by for comparison in of_metric.comparisons}
        few = all(of_metric.has_too_few_images for of_metric in self.by)
        return few and bool(self.table.controls) and verdicts <= {"undecided", "unknown"}

    @property
    def has_one_best(self) -> bool:
        """Whether one method, or several with the same scores, is alone at the top: no other ties with the best."""
        return not self.rivals and any(set(self.top) <= set(group) for group in (self.top[:1], *self.alike))

    @property
    def undecidable(self) -> list[MetricStandings]:
        """The metrics by which no test can tell the best method from another on so few images."""
        return [of_metric for of_metric in self.by if of_metric.ranking.n < of_metric.ranking.decisive_images]

    def select(self, *, decided: bool) -> "Evidence | None":
        """Select the metrics by which some method beats the controls, or those by which none does; None without any."""
        by = tuple(of_metric for of_metric in self.by if bool(of_metric.top) == decided)
        return replace(self, by=by) if by else None


def find_standings(table: Table) -> Standings:
    """Find how the methods of a net stand by each metric of which a method has a score.

    Metrics of ties, which do not say which method is better, count only if there is no other.
    """
    scored = [metric for metric in table.metrics if _has_values(table, metric)]
    judging = [metric for metric in scored if not metric.ties_of] or scored
    by_metric = {metric.spec: _find_standings(table, metric) for metric in judging}
    return Standings(by_metric, table.race.alike if table.race else tuple(_group_alike(table)))


def _has_values(table: Table, metric: Metric) -> bool:
    methods = [method for method in table.methods if method not in table.controls]
    return metric.spec in table.values and bool(table.values[metric.spec][methods].notna().any(axis=None))


def _find_standings(table: Table, metric: Metric) -> MetricStandings:
    ranking, comparisons = rank_by_metric(table, metric), list(compare_with_controls(table, [metric]))
    if table.race and metric.spec in table.race.standings:
        return MetricStandings(metric, table.race.standings[metric.spec], ranking, comparisons)
    lost = {comparison.method for comparison in comparisons if comparison.verdict != "better"}
    eligible = [method for method in ranking.top_group if method not in lost]
    standings: dict[str, Standing] = {}
    for method in table.methods:
        if method in table.controls:
            continue
        if method not in {ranked.method for ranked in ranking.methods}:
            standings[method] = "no score"
        elif method in lost:
            standings[method] = "no better than a control"
        elif method not in eligible:
            standings[method] = "behind"
        else:
            standings[method] = "best" if len(ranking.top_group) == 1 else "tie"
    return MetricStandings(metric, standings, ranking, comparisons)


def _group_alike(table: Table) -> list[tuple[str, ...]]:
    """List the groups of methods that have the same score, up to rounding, on every image by every metric.

    Hits and misses alone are the same for many methods: without another metric there is no group. Metrics of ties do not count:
    where maps are equal up to rounding, their equal pixels may not be.
    """
    groups: list[list[str]] = []
    metrics = [metric for metric in table.metrics if metric.spec in table.values and not metric.ties_of]
    if all(is_binary(metric.unit) for metric in metrics):
        return []
    scores = [table.values[metric.spec] for metric in metrics]
    for method in table.methods:
        if method in table.controls or not any(values[method].notna().any() for values in scores):
            continue
        known = next((group for group in groups if _are_alike(scores, group[0], method)), None)
        if known:
            known.append(method)
        else:
            groups.append([method])
    return [tuple(group) for group in groups if len(group) > 1]


def _are_alike(scores: Sequence[pd.DataFrame], first: str, second: str) -> bool:
    return all(
        are_alike(values[first].to_numpy(dtype=float), values[second].to_numpy(dtype=float)) for values in scores
    )
