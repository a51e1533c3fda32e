"""The answer of a run for one net: which method to take, whether that is certain, and what it costs.

By one metric, a method is eligible if it beats every control; the eligible methods that no test tells from the best one tie. By
several metrics, the methods that tie by each of them tie. Out of a tie the cheapest is to be taken. A difference decides
nothing if the order of equal pixels can move the mean of either method by more, where a metric of the run measures that.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from ..core.errors import UsageError, list_known_names
from ..store.run import Run
from .answer_text import State, describe, describe_absence
from .estimate import TIE
from .mean_scores import is_binary
from .outcome import Race
from .standings import Evidence, MetricStandings, Standings, find_standings
from .summary import Table, build_tables

STATES: dict[State, str] = {
    "winner": "Winner", "tie": "Tie", "none": "None", "split": "Depends on the metric", "open": "Undecided"
}  # fmt: skip

RACE_STATES: dict[str, State] = {
    "winner": "winner", "close": "tie", "open": "tie", "none": "none", "split": "split"
}  # fmt: skip

# A balanced choice has one metric of each of these families, if the run has any: what several kinds of evidence say together.
BALANCED = ("deletion and insertion", "drops", "objects")


@dataclass(frozen=True)
class Answer:
    """Which method to take on a net.

    Attributes:
        net: the net's name.
        state: `winner`: one method is best by all metrics, or several that score alike. `tie`: several are, and no test tells
            them apart, or tells one from others that are not shown to beat the controls. `none`: no method is shown to beat
            the controls and ties with the best, by any metric. `split`: different methods are best by different metrics, or
            methods by some metrics and none by others. `open`: there are too few images to tell whether a method beats the
            controls, or which is the best, or a race has not decided it.
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


def describe_answers(run: Run) -> Iterator[tuple[str, str]]:
    """Yield each net of a run that has an image, and its answer in one sentence, or that there is nothing to compare."""
    for table in build_tables(run):
        if text := describe_outcome(table, find_answer(table)):
            yield table.net, text


def describe_outcome(table: Table, answer: Answer | None) -> str:
    """Return the answer for a net in one sentence, or that there is nothing to compare; empty without an image."""
    if answer:
        return answer.text
    return describe_absence(table) if table.images else ""


def find_answer(table: Table, by: Sequence[str] = (), known: Standings | None = None) -> Answer | None:
    """Find the answer by some metrics, by default a balanced choice of the run's; None if there is no score.

    `known` is what `find_standings` found for the table, if it was called before. The answer of a race by its own metrics
    follows from its sequences, not from tests. Raise UsageError for a metric that the run does not have.
    """
    known = known or find_standings(table)
    if table.race and (not by or set(by) == set(table.race.metrics)):
        return _answer_race(table, table.race, known)
    evidence = Evidence(table, tuple(_choose_metrics(table, known.by_metric, by)), known.alike)
    if not evidence.by:
        return None
    state = _find_state(evidence)
    top = () if state == "open" else evidence.cheapest_first
    text = describe(evidence, state)
    return Answer(table.net, state, next(iter(top), None), top, evidence.alike, evidence.by, evidence.images, text)


def _answer_race(table: Table, race: Race, known: Standings) -> Answer | None:
    """Return the answer of a race; None if no method has a score."""
    standings = tuple(of_metric for spec, of_metric in known.by_metric.items() if spec in race.standings)
    if not standings:
        return None
    state = RACE_STATES[race.outcome]
    if race.outcome == "open" and race.take is None:
        state = "open"
    return Answer(table.net, state, race.take, race.top, known.alike, standings, race.images, race.text)


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


def _find_state(evidence: Evidence) -> State:
    if not evidence.top:
        failed = evidence.select(decided=False)
        if failed is None:
            return "split"
        if failed.is_too_little:
            return "open"
        return "split" if evidence.select(decided=True) else "none"
    if evidence.has_one_best:
        return "winner"
    return "open" if evidence.undecidable else "tie"
