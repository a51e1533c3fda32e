"""The answer of a run for one net: which method to take, whether that is certain, and what it costs.

By one metric, a method is eligible if it beats every control; the eligible methods that no test tells from the best one tie. By
several metrics, the methods that tie by each of them tie. Out of a tie the cheapest is to be taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, isnan
from typing import Literal, Protocol, TypeVar

from ..core.errors import UsageError, list_known_names
from ..core.formatting import format_cost, format_count, format_number, join_names
from ..store.run import Run
from .controls import compare_with_controls
from .estimate import TIE, Estimate
from .mean_scores import Metric
from .outcome import Race, Standing
from .ranking import Ranking, rank_by_metric
from .summary import Table, build_tables

State = Literal["winner", "tie", "none", "split"]

STATES: dict[State, str] = {"winner": "Winner", "tie": "Tie", "none": "None", "split": "Depends on the metric"}

RACE_STATES: dict[str, State] = {
    "winner": "winner", "close": "tie", "open": "tie", "none": "none", "split": "split"
}  # fmt: skip

# A balanced choice has one metric of each of these families, if the run has any: what several kinds of evidence say together.
BALANCED = ("deletion and insertion", "drops", "objects")


@dataclass(frozen=True)
class MetricStandings:
    """How the methods of a net stand by one metric."""

    metric: Metric
    standings: dict[str, Standing]  # by method, without the controls
    ranking: Ranking

    @property
    def top(self) -> list[str]:
        """The methods that beat every control and tie with the best, best first."""
        return [
            ranked.method for ranked in self.ranking.methods if self.standings.get(ranked.method) in ("best", "tie")
        ]


@dataclass(frozen=True)
class Answer:
    """Which method to take on a net.

    Attributes:
        net: the net's name.
        state: `winner`: one method is best by all metrics, or several that score alike. `tie`: several are, and no test tells
            them apart. `none`: by no metric does a method beat the controls and tie with the best. `split`: different methods
            are best by different metrics.
        take: the method to take: the winner, or the cheapest of a tie; None without one.
        top: the winner, or the methods that tie, cheapest first.
        alike: groups of methods that have the same scores on every image.
        by: the metrics that decide.
        images: how many images were compared.
        text: the answer in one sentence.
    """

    net: str
    state: State
    take: str | None
    top: tuple[str, ...]
    alike: tuple[tuple[str, ...], ...]
    by: tuple[MetricStandings, ...]
    images: int
    text: str


def find_answers(run: Run, by: Sequence[str] = ()) -> list[Answer]:
    """Find the answer for each net of a run that has scores; see `find_answer`."""
    return [answer for table in build_tables(run) if (answer := find_answer(table, by))]


def find_answer(table: Table, by: Sequence[str] = ()) -> Answer | None:
    """Find the answer by some metrics, by default a balanced choice of the run's; None if there is no score.

    That of a race by its own metrics follows from its sequences, not from tests.
    Raise UsageError for a metric that the run does not have.
    """
    if table.race and not by:
        return _answer_race(table, table.race)
    metrics = _choose_metrics(table, by)
    standings = tuple(_find_standings(table, metric) for metric in metrics)
    if not standings:
        return None
    top = [method for method in table.methods if all(method in of_metric.top for of_metric in standings)]
    top.sort(key=lambda method: table.costs[method].price if method in table.costs else (inf, inf))
    alike = tuple(_group_alike(table))
    state = _find_state(top, standings, alike)
    take = top[0] if top else None
    images = min(of_metric.ranking.n for of_metric in standings)
    text = _write_sentence(table, state, top, standings, alike)
    return Answer(table.net, state, take, tuple(top), alike, standings, images, text)


def _answer_race(table: Table, race: Race) -> Answer | None:
    """Return the answer of a race; None if no method has a score."""
    standings = tuple(
        MetricStandings(metric, race.standings[metric.spec], rank_by_metric(table, metric))
        for metric in table.metrics
        if _has_values(table, metric)
    )
    if not standings:
        return None
    state = RACE_STATES[race.outcome]
    if race.outcome == "open" and race.take is None:
        state = "none"
    return Answer(table.net, state, race.take, race.top, tuple(_group_alike(table)), standings, race.images, race.text)


def _choose_metrics(table: Table, by: Sequence[str]) -> list[Metric]:
    scored = {metric.spec: metric for metric in table.metrics if _has_values(table, metric)}
    for spec in by:
        if spec not in scored:
            raise UsageError(f"this run has no scores by {spec}: {list_known_names(spec, list(scored))}")
    if by:
        return [scored[spec] for spec in by]
    return choose_balanced(list(scored.values()))


class Choosable(Protocol):
    """A metric, as a balanced choice sees it."""

    @property
    def family(self) -> str:
        """The name of its family."""

    @property
    def better(self) -> str:
        """`higher` or `lower`."""


M = TypeVar("M", bound=Choosable)


def choose_balanced(metrics: Sequence[M]) -> list[M]:
    """Choose one metric of each family of BALANCED, if possible one by which higher is better; the first without any."""
    families = [[metric for metric in metrics if metric.family == family] for family in BALANCED]
    chosen = [min(family, key=lambda metric: metric.better != "higher") for family in families if family]
    return chosen or list(metrics[:1])


def _has_values(table: Table, metric: Metric) -> bool:
    methods = [method for method in table.methods if method not in table.controls]
    return metric.spec in table.values and bool(table.values[metric.spec][methods].notna().any(axis=None))


def _find_standings(table: Table, metric: Metric) -> MetricStandings:
    ranking = rank_by_metric(table, metric)
    lost = {
        comparison.method
        for comparison in compare_with_controls(table, [metric])
        if comparison.verdict != "better"
    }  # fmt: skip
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
            standings[method] = "best" if len(eligible) == 1 else "tie"
    return MetricStandings(metric, standings, ranking)


def _group_alike(table: Table) -> Iterator[tuple[str, ...]]:
    """Yield the groups of methods that have the same score on every image by every metric."""
    groups: list[list[str]] = []
    for method in table.methods:
        if method in table.controls or not any(values[method].notna().any() for values in table.values.values()):
            continue
        known = next((group for group in groups if _are_alike(table, group[0], method)), None)
        if known:
            known.append(method)
        else:
            groups.append([method])
    return (tuple(group) for group in groups if len(group) > 1)


def _are_alike(table: Table, first: str, second: str) -> bool:
    return all(
        bool((((values[first] - values[second]).abs() <= TIE) | (values[first].isna() & values[second].isna())).all())
        for values in table.values.values()
    )


def _find_state(top: Sequence[str], standings: Sequence[MetricStandings], alike: Sequence[tuple[str, ...]]) -> State:
    if not top:
        return "split" if sum(bool(of_metric.top) for of_metric in standings) == len(standings) > 1 else "none"
    return "winner" if len(top) == 1 or any(set(top) <= set(group) for group in alike) else "tie"


def _write_sentence(
    table: Table,
    state: State,
    top: Sequence[str],
    standings: Sequence[MetricStandings],
    alike: Sequence[tuple[str, ...]],
) -> str:
    names = [of_metric.metric.spec for of_metric in standings]
    images = format_count(min(of_metric.ranking.n for of_metric in standings), "image")
    if state == "winner":
        first = standings[0]
        estimate = next(ranked.estimate for ranked in first.ranking.methods if ranked.method == top[0])
        score = f"{first.metric.spec} {_format_score(estimate)}"
        same = list(top[1:])
        note = f"; {join_names(same)} {'has' if len(same) == 1 else 'have'} the same scores" if same else ""
        return f"{top[0]} is best by {join_names(names)} on {images} ({score}), {_format_price(table, top[0])}{note}"
    if state == "tie":
        return (
            f"no winner by {join_names(names)} on {images}: {_join_alike(top, alike)} tie; "
            f"take {top[0]}, the cheapest ({_format_price(table, top[0])})"
        )
    if state == "split":
        best = [f"{of_metric.top[0]} by {of_metric.metric.spec}" for of_metric in standings]
        return f"no method is best by {join_names(names)} alike on {images}: {join_names(best)}; choose by one of them"
    failed = [of_metric.metric.spec for of_metric in standings if not of_metric.top]
    if not table.controls:
        return f"no method is best by {join_names(names)} on {images}"
    return f"no method beats the controls by {join_names(failed)} on {images}"


def _format_score(estimate: Estimate) -> str:
    half = "" if isnan(estimate.low) else f" ± {format_number((estimate.high - estimate.low) / 2)}"
    return f"{format_number(estimate.mean)}{half}"


def _format_price(table: Table, method: str) -> str:
    cost = table.costs.get(method)
    if cost is None or isnan(cost.seconds):
        return "its seconds were not measured"
    milliseconds = 1000 * cost.seconds
    return (
        f"{format_cost(milliseconds)} ms an image" if milliseconds < 1000 else f"{format_cost(cost.seconds)} s an image"
    )


def _join_alike(top: Sequence[str], alike: Sequence[tuple[str, ...]]) -> str:
    """Join the names of methods, those with the same scores by an equals sign."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for method in top:
        group = next((group for group in alike if method in group), (method,))
        parts.setdefault(group, []).append(method)
    return join_names([" = ".join(group) for group in parts.values()])
