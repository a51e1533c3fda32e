"""The answer of a run for one net: which method to take, whether that is certain, and what it costs.

By one metric, a method is eligible if it beats every control; the eligible methods that no test tells from the best one tie. By
several metrics, the methods that tie by each of them tie. Out of a tie the cheapest is to be taken. A difference decides
nothing if the order of equal pixels can move the mean of either method by more, where a metric of the run measures that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, inf, isnan
from typing import Literal, Protocol, TypeVar

import numpy as np
import pandas as pd

from ..core.errors import UsageError, list_known_names
from ..core.formatting import format_count, format_duration, format_number, join_names
from ..store.run import Run
from .controls import ControlComparison, compare_with_controls
from .estimate import ALIKE, TIE, Estimate, format_interval
from .mean_scores import Metric, is_binary
from .outcome import Race, Standing
from .paired import Pair
from .ranking import Ranking, rank_by_metric
from .significance import count_decisive_images
from .summary import Table, build_tables

State = Literal["winner", "tie", "none", "split", "open"]

STATES: dict[State, str] = {
    "winner": "Winner", "tie": "Tie", "none": "None", "split": "Depends on the metric", "open": "Undecided"
}  # fmt: skip

RACE_STATES: dict[str, State] = {
    "winner": "winner", "close": "tie", "open": "tie", "none": "none", "split": "split"
}  # fmt: skip

NO_CONTROL = "; no control was run, so this may be no better than a random map"

# A balanced choice has one metric of each of these families, if the run has any: what several kinds of evidence say together.
BALANCED = ("deletion and insertion", "drops", "objects")


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
class Answer:
    """Which method to take on a net.

    Attributes:
        net: the net's name.
        state: `winner`: one method is best by all metrics, or several that score alike. `tie`: several are, and no test tells
            them apart, or tells one from others that are not shown to beat the controls. `none`: by a metric, no method is
            shown to beat the controls and ties with the best. `split`: different methods are best by different metrics.
            `open`: too few images, or a race, have not decided whether a method beats the controls.
        take: the method to take: the winner, or the cheapest of a tie; None without one.
        top: the winner, or the methods that tie, cheapest first.
        alike: groups of methods that have the same scores, up to rounding, on every image.
        by: the metrics that decide.
        images: how many images were compared.
        text: the answer in one sentence.
    """

    net: str
    state: State
    take: str | None
    top: tuple[str, ...]
    alike: tuple[tuple[str, ...], ...]
    by: tuple[MetricStandings, ...] = field(repr=False)
    images: int
    text: str


def find_answers(run: Run, by: Sequence[str] = ()) -> list[Answer]:
    """Find the answer for each net of a run that has scores; see `find_answer`."""
    return [answer for table in build_tables(run) if (answer := find_answer(table, by))]


def find_standings(table: Table) -> Standings:
    """Find how the methods of a net stand by each metric of which a method has a score."""
    by_metric = {metric.spec: _find_standings(table, metric) for metric in table.metrics if _has_values(table, metric)}
    return Standings(by_metric, table.race.alike if table.race else tuple(_group_alike(table)))


def find_answer(table: Table, by: Sequence[str] = (), known: Standings | None = None) -> Answer | None:
    """Find the answer by some metrics, by default a balanced choice of the run's; None if there is no score.

    `known` is what `find_standings` found for the table, if it was called before. The answer of a race by its own metrics
    follows from its sequences, not from tests. Raise UsageError for a metric that the run does not have.
    """
    known = known or find_standings(table)
    if table.race and (not by or set(by) == set(table.race.metrics)):
        return _answer_race(table, table.race, known)
    standings, alike = tuple(_choose_metrics(table, known.by_metric, by)), known.alike
    if not standings:
        return None
    top = [method for method in table.methods if all(method in of_metric.top for of_metric in standings)]
    top.sort(key=lambda method: table.costs[method].price if method in table.costs else (inf, inf))
    state = _find_state(table, top, standings, alike)
    take = top[0] if top else None
    images = _count_images(table, standings)
    text = _write_sentence(table, state, top, standings, alike)
    text += _describe_ties(standings) if state != "winner" else ""
    text += NO_CONTROL if top and not table.controls else ""
    return Answer(table.net, state, take, tuple(top), alike, standings, images, text)


def _answer_race(table: Table, race: Race, known: Standings) -> Answer | None:
    """Return the answer of a race; None if no method has a score."""
    standings = tuple(of_metric for spec, of_metric in known.by_metric.items() if spec in race.standings)
    if not standings:
        return None
    state = RACE_STATES[race.outcome]
    if race.outcome == "open" and race.take is None:
        state = "open"
    return Answer(table.net, state, race.take, race.top, known.alike, standings, race.images, race.text)


def _count_images(table: Table, standings: Sequence[MetricStandings]) -> int:
    """Return the number of images on which methods were compared, the least of several metrics; of a race, the most."""
    return table.race.images if table.race else min(of_metric.ranking.n for of_metric in standings)


def _format_images(table: Table, standings: Sequence[MetricStandings]) -> str:
    """Format the number of images on which methods were compared; metrics that apply to some images only have fewer."""
    least, most = _count_images(table, standings), max(of_metric.ranking.n for of_metric in standings)
    return format_count(least, "image") if table.race or least == most else f"{least} to {most} images"


def _choose_metrics(table: Table, scored: Mapping[str, MetricStandings], by: Sequence[str]) -> list[MetricStandings]:
    """Choose the metrics that decide; by default a balanced choice of those by which any two scores differ."""
    for spec in by:
        if spec not in scored:
            raise UsageError(f"this run has no scores by {spec}: {list_known_names(spec, list(scored))}")
    if by:
        return [scored[spec] for spec in by]
    varied = [
        each.metric
        for spec, each in scored.items()
        if np.nanmax(table.values[spec]) - np.nanmin(table.values[spec]) > TIE
    ]
    chosen = choose_balanced(varied or [each.metric for each in scored.values()])
    return [scored[metric.spec] for metric in chosen]


class Choosable(Protocol):
    """A metric, as a balanced choice sees it."""

    @property
    def family(self) -> str:
        """The name of its family."""

    @property
    def better(self) -> str:
        """`higher` or `lower`."""

    @property
    def unit(self) -> str:
        """The unit of its values."""

    @property
    def ties_of(self) -> str:
        """The metric of which it measures the effect of ties; empty for none."""


M = TypeVar("M", bound=Choosable)


def choose_balanced(metrics: Sequence[M]) -> list[M]:
    """Choose one metric of each family of BALANCED, or the first without any.

    A metric with degrees comes before hits and misses, which need many more images; then one where higher is better. One that
    measures the ties of another decides only if there is no other.
    """
    metrics = [metric for metric in metrics if not metric.ties_of] or metrics
    families = [[metric for metric in metrics if metric.family == family] for family in BALANCED]
    chosen = [
        min(family, key=lambda metric: (is_binary(metric.unit), metric.better != "higher"))
        for family in families
        if family
    ]
    return chosen or list(metrics[:1])


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

    Hits and misses alone are the same for many methods: without another metric there is no group.
    """
    groups: list[list[str]] = []
    if all(is_binary(metric.unit) for metric in table.metrics if metric.spec in table.values):
        return []
    for method in table.methods:
        if method in table.controls or not any(values[method].notna().any() for values in table.values.values()):
            continue
        known = next((group for group in groups if _are_alike(table, group[0], method)), None)
        if known:
            known.append(method)
        else:
            groups.append([method])
    return [tuple(group) for group in groups if len(group) > 1]


def _are_alike(table: Table, first: str, second: str) -> bool:
    return all(
        np.allclose(values[first], values[second], rtol=ALIKE, atol=ALIKE, equal_nan=True)
        for values in table.values.values()
    )


def _list_rivals(table: Table, top: Sequence[str], standings: Sequence[MetricStandings]) -> list[str]:
    """List the methods that tie with the best by every metric, as those at the top do, but do not beat all controls."""
    ties = [{*of_metric.top, *of_metric.rivals} for of_metric in standings]
    return [method for method in table.methods if method not in top and all(method in tie for tie in ties)]


def _find_state(
    table: Table, top: Sequence[str], standings: Sequence[MetricStandings], alike: Sequence[tuple[str, ...]]
) -> State:
    if not top:
        failed = [of_metric for of_metric in standings if not of_metric.top]
        if not failed and len(standings) > 1:
            return "split"
        return "open" if _are_too_few(table, failed) else "none"
    alone = len(top) == 1 or any(set(top) <= set(group) for group in alike)
    return "winner" if alone and not _list_rivals(table, top, standings) else "tie"


def _are_too_few(table: Table, standings: Sequence[MetricStandings]) -> bool:
    """Return whether no method could have been shown to beat the controls by some metrics on so few images."""
    verdicts = {comparison.verdict for each in standings for comparison in each.comparisons}
    few = all(each.has_too_few_images for each in standings)
    return few and bool(table.controls) and verdicts <= {"undecided", "unknown"}


def _write_sentence(
    table: Table,
    state: State,
    top: Sequence[str],
    standings: Sequence[MetricStandings],
    alike: Sequence[tuple[str, ...]],
) -> str:
    names = [of_metric.metric.spec for of_metric in standings]
    images = _format_images(table, standings)
    if state == "winner":
        first = standings[0]
        estimate = next(ranked.estimate for ranked in first.ranking.methods if ranked.method == top[0])
        score = f"{first.metric.spec} {_format_score(estimate)}"
        same = list(top[1:])
        note = f"; {join_names(same)} {'has' if len(same) == 1 else 'have'} the same scores" if same else ""
        return f"{top[0]} is best by {join_names(names)} on {images}: {score}, {_format_price(table, top[0])}{note}"
    if state == "tie":
        tie = _describe_tie(top, _list_rivals(table, top, standings), alike)
        cheapest = ", the cheapest" if len(top) > 1 else ""
        return f"no winner by {join_names(names)} on {images}: {tie}; take {top[0]}{cheapest} ({_format_price(table, top[0])})"
    if state == "split":
        best = [f"by {each.metric.spec} {_join_top(each.top, each.rivals, alike)}" for each in standings]
        return f"no method is best by {join_names(names)} alike on {images}: {'; '.join(best)}"
    if not table.controls:
        return f"no method is best by {join_names(names)} on {images}"
    failed = [of_metric for of_metric in standings if not of_metric.top]
    return f"{_describe_failure(table, failed)}{_describe_rest(table, standings, alike)}"


def _describe_tie(top: Sequence[str], rivals: Sequence[str], alike: Sequence[tuple[str, ...]]) -> str:
    """Say that methods tie, or that those at the top alone are shown to beat the controls, if others tie with them."""
    names = _join_alike(top, alike)
    if not rivals:
        return f"{names} tie"
    be, them = ("is", "it") if len(top) == 1 else ("are", "them")
    return f"{names} alone {be} shown to beat the controls, and no test tells {them} from {join_names(rivals)}"


def _describe_failure(table: Table, standings: Sequence[MetricStandings]) -> str:
    """Say that by each of some metrics no method beats the controls, or that this is not known."""
    names = join_names([each.metric.spec for each in standings])
    count, images = _count_images(table, standings), _format_images(table, standings)
    if _are_too_few(table, standings):
        least = max(each.decisive_images for each in standings)
        if count < least:
            be = "is" if images == "1 image" else "are"
            return f"{images} {be} too few to show that a method beats the controls by {names}: {least} at least"
        most = max(each.different_images for each in standings)
        return (
            f"by {names}, a method and a control differ on {most} of {images} at most, too few to show that one beats the "
            f"other: {least} at least"
        )
    known = all(
        any(c.verdict == "worse" for c in each.comparisons if c.method == method)
        for each in standings for method in each.standings if each.standings[method] != "no score"
    )  # fmt: skip
    return f"no method {'beats' if known else 'is shown to beat'} the controls by {names} on {images}"


def _describe_rest(table: Table, standings: Sequence[MetricStandings], alike: Sequence[tuple[str, ...]]) -> str:
    """Say which methods are best by the metrics by which some method beats the controls."""
    decided = [of_metric for of_metric in standings if of_metric.top]
    top = [method for method in table.methods if decided and all(method in of_metric.top for of_metric in decided)]
    if not top:
        return "".join(f"; by {each.metric.spec} {_join_top(each.top, each.rivals, alike)}" for each in decided)
    rivals = _list_rivals(table, top, decided)
    return f"; by {join_names([of_metric.metric.spec for of_metric in decided])} {_join_top(top, rivals, alike)}"


def _describe_ties(standings: Sequence[MetricStandings]) -> str:
    """Say by which metrics ties alone keep comparisons undecided."""
    moved = [f"{each.metric.spec} by up to {format_number(each.tie_effect)}" for each in standings if each.tie_effect]
    return f"; the order of equal pixels can move {join_names(moved)}, more than some scores differ" if moved else ""


def _format_score(estimate: Estimate) -> str:
    interval = "" if isnan(estimate.low) else f" ({format_interval(estimate)})"
    return f"{format_number(estimate.mean)}{interval}"


def _format_price(table: Table, method: str) -> str:
    cost = table.costs.get(method)
    if cost is None or isnan(cost.seconds):
        return "its seconds were not measured"
    return f"{format_duration(cost.seconds)} an image"


def _join_top(top: Sequence[str], rivals: Sequence[str], alike: Sequence[tuple[str, ...]]) -> str:
    """Say that a method is best, that several tie, or that one alone of those that tie is shown to beat the controls."""
    alone = "alone is shown to beat the controls" if rivals else "is best"
    return f"{_join_alike(top, alike)} {alone if len(top) == 1 else 'tie'}"


def _join_alike(top: Sequence[str], alike: Sequence[tuple[str, ...]]) -> str:
    """Join the names of methods, those with the same scores by an equals sign."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for method in top:
        group = next((group for group in alike if method in group), (method,))
        parts.setdefault(group, []).append(method)
    return join_names([" = ".join(group) for group in parts.values()])
