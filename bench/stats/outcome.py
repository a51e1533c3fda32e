"""The outcome of a race in a run's record: which methods are left, which dropped out after how many images, and why."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import Literal

import numpy as np
import pandas as pd

from ..core.errors import UsageError
from ..core.formatting import format_count, join_names
from ..store.header import Header
from .estimate import TIE, Floats
from .race import FIRST, Board, Rules, Stage, is_round, play
from .sequences import NEVER

Kind = Literal["left", "behind", "no better than a control", "close", "same", "no score", "control"]
Outcome = Literal["winner", "close", "open", "none", "split"]
Standing = Literal["best", "tie", "behind", "no better than a control", "no score"]


@dataclass(frozen=True)
class Runner:
    """A method in a race.

    Attributes:
        method: its spec.
        kind: `left`: it may be the best. `behind`: another method is surely better by a metric. `no better than a control`: a
            control is. `close`: it is surely less than the slack better than the cheapest one that is left. `same`: it has the
            same scores as a cheaper method. `no score`: it does not apply, or has no score by a metric. `control`.
        images: the number of images on which it was scored.
        reason: why it is not scored any more, in words; empty if it is left, or a control.
        unbeaten: the controls that it does not surely beat by every metric.
    """

    method: str
    kind: Kind
    images: int
    reason: str = ""
    unbeaten: tuple[str, ...] = ()


@dataclass(frozen=True)
class Race:
    """The outcome of a race on one net, or how it stands.

    Attributes:
        runners: the methods of the run, those that were scored on the most images first.
        top: the methods among which the race did not decide, the cheapest first.
        take: the cheapest of these that surely beats every control; None if none does.
        decided: whether more images would change nothing that matters.
        over: whether it is decided, or all images are used.
        images: the most images on which a method was scored in rounds that are complete; `planned` is how many there are.
        begun: the same with the round that is not complete.
        alike: groups of methods with the same scores, up to rounding, on the first images; the first of each stands for all.
        standings: how the methods stand by each metric of the race, without the controls.
        rules: its confidence and its slack.
    """

    runners: tuple[Runner, ...]
    top: tuple[str, ...]
    take: str | None
    decided: bool
    over: bool
    images: int
    begun: int
    planned: int
    alike: tuple[tuple[str, ...], ...]
    standings: dict[str, dict[str, Standing]]
    rules: Rules
    targets: dict[str, int]  # the methods that are scored next, and the number of images that each has then

    @property
    def outcome(self) -> Outcome:
        """How the race ended, or how it stands."""
        if not self.top:
            lost = any(runner.kind == "behind" for runner in self.runners)
            return "split" if lost and len(self.metrics) > 1 else "none"
        if self.decided:
            return "winner" if len(self.top) == 1 else "close"
        return "open"

    @property
    def text(self) -> str:
        """The outcome in one sentence."""
        twins = next((group[1:] for group in self.alike if group[0] == self.take), ())
        same = f"; {join_names(twins)} {'has' if len(twins) == 1 else 'have'} the same scores" if twins else ""
        return _OUTCOMES[self.outcome](self) + same

    def explain_gap(self, method: str) -> str:
        """Say why a method was scored on fewer images than others."""
        runner = self.by_method[method]
        if runner.kind == "control":
            return f"{method} was not needed on more"
        return f"{method} {'dropped out' if runner.reason else 'is scored late, because it is expensive'}"

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the race."""
        return tuple(self.standings)

    @cached_property
    def by_method(self) -> dict[str, Runner]:
        return {runner.method: runner for runner in self.runners}


def _describe_winner(race: Race) -> str:
    metrics = join_names(race.metrics)
    return f"{race.take} is the best by {metrics}: the others dropped out {_count(race)}{_describe_level(race)}"


def _describe_close(race: Race) -> str:
    return (
        f"take {race.take}, the cheapest left: {join_names(race.top[1:])} {'is' if len(race.top) == 2 else 'are'} not "
        f"{format_percent(race.rules.slack)} better by {join_names(race.metrics)} {_count(race)}{_describe_level(race)}"
    )


def _describe_open(race: Race) -> str:
    left, metrics = join_names(race.top), join_names(race.metrics)
    if race.take is None:
        return f"no method to take {_count_left(race)}: {_describe_unbeaten(race)} by {metrics}{_alike(race)}"
    if len(race.top) == 1:
        return f"take {race.take}, which is left by {metrics} {_count_left(race)}"
    left_by = f"{left} are left by {metrics}"
    return f"not decided {_count_left(race)}: {left_by}; take {race.take}, the cheapest that beats the controls"


def _describe_unbeaten(race: Race) -> str:
    """Say which controls the methods that are left are not shown to beat: not all of them the same, as a rule."""
    by_controls: dict[tuple[str, ...], list[str]] = {}
    for method in race.top:
        by_controls.setdefault(race.by_method[method].unbeaten, []).append(method)
    parts = [
        f"{join_names(methods)} {'is' if len(methods) == 1 else 'are'} not shown to beat {join_names(controls)}"
        for controls, methods in by_controls.items()
    ]
    return ", and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def _alike(race: Race) -> str:
    """Say that all metrics of a race of several must agree."""
    return " alike" if len(race.metrics) > 1 else ""


def _describe_none(race: Race) -> str:
    return f"no method beats the controls by {join_names(race.metrics)} {_count(race)}{_describe_level(race)}"


def _describe_split(race: Race) -> str:
    return f"no method is the best by {join_names(race.metrics)} alike {_count(race)}: race by one of them"


def _count(race: Race) -> str:
    return f"after {format_count(race.images, 'image')}"


def _count_left(race: Race) -> str:
    """Say on how many images the methods that are left were scored: expensive ones are scored late."""
    counts = [race.by_method[method].images for method in race.top]
    least, most = min(counts), max(counts)
    begun = f" ({race.begun} with a round that is not complete)" if race.begun > race.images else ""
    return (f"after {format_count(most, 'image')}" if least == most else f"after {least} to {most} images") + begun


def _describe_level(race: Race) -> str:
    return f" ({format_percent(race.rules.confidence)} sure)"


_OUTCOMES = {
    "winner": _describe_winner, "close": _describe_close, "open": _describe_open, "none": _describe_none,
    "split": _describe_split,
}  # fmt: skip


def format_percent(share: float) -> str:
    """Format a share as a percentage: 2 %, 99.5 %."""
    return f"{100 * share:.4g} %"


def find_race(
    header: Header, scores: pd.DataFrame, forwards: Mapping[str, float], failed: Collection[str] = ()
) -> Race | None:
    """Find the outcome of the race on one net; None if the run is no race. The arguments are those of `make_board`.

    Raise UsageError for a score outside the range of its metric.
    """
    if header.suite.race is None:
        return None
    return describe_race(header, play(make_board(header, scores, forwards, failed)))


def make_board(
    header: Header, scores: pd.DataFrame, forwards: Mapping[str, float], failed: Collection[str] = ()
) -> Board:
    """Make the board of a race on one net from its scores, whose columns of names have the order of the header.

    `forwards` has the work of each method, `failed` the images that failed on the net. Raise UsageError for a score outside the
    range of its metric.
    """
    assert header.suite.race is not None
    codes = [scores[column].cat.codes.to_numpy(dtype=int) for column in ("metric", "method", "image")]
    metrics, methods, positions = codes
    scored = np.zeros(len(header.methods), dtype=np.int64)
    np.maximum.at(scored, methods, positions + 1)
    values = np.full((len(header.metrics), len(header.methods), int(scored.max(initial=0))), np.nan)
    values[metrics, methods, positions] = scores["value"].to_numpy(dtype=np.float64)
    return Board(
        np.array([method.control for method in header.methods.values()]),
        np.stack([_scale(header, spec, row) for spec, row in zip(header.metrics, values, strict=True)]),
        np.array([forwards.get(method, np.nan) for method in header.methods]),
        np.array([_pass_failed(header, count, failed) for count in scored.tolist()]),
        len(header.data.images),
        Rules(header.suite.race.confidence, header.suite.race.slack),
    )


def _pass_failed(header: Header, count: int, failed: Collection[str]) -> int:
    """Return the number of images that are scored or failed, if `count` of the first are: a round may end with failed ones.

    A method at the end of a round has not tried the images of the next one.
    """
    if count and is_round(count):
        return count
    return count + sum(1 for _ in takewhile(lambda image: image in failed, header.data.images[count:]))


def check_ranges(header: Header) -> None:
    """Raise UsageError for a metric on which no race can be run."""
    for spec, metric in header.metrics.items():
        _find_range(header, spec)
        if metric.ties_of:
            raise UsageError(
                f"{spec} measures how much the order of equal pixels moves another metric, and not which method is better: "
                "choose other metrics (--by)"
            )


def _find_range(header: Header, spec: str) -> tuple[float, float]:
    low, high = header.metrics[spec].range
    if low is None or high is None:
        raise UsageError(
            f"{spec} has no lowest or no highest value, so no sequence bounds its mean: choose metrics with a range (--by)"
        )
    return low, high


def _scale(header: Header, spec: str, values: Floats) -> Floats:
    """Scale the scores of a metric to [0, 1], 1 the best."""
    metric = header.metrics[spec]
    low, high = _find_range(header, spec)
    shares = (values - low) / (high - low)
    if ((shares < -TIE) | (shares > 1 + TIE)).any():
        raise UsageError(f"{spec} has scores outside its range, {low:g} to {high:g}: a race by it would not be valid")
    shares = shares.clip(0, 1)
    return shares if metric.better == "higher" else 1 - shares


def describe_race(header: Header, stage: Stage) -> Race:
    """Describe the outcome of a race, or how it stands."""
    methods, ranks = list(header.methods), stage.board.ranks
    top = sorted(np.flatnonzero(stage.remaining).tolist(), key=lambda index: int(ranks[index]))
    proven = [methods[index] for index in top if stage.proven[index]]
    return Race(
        runners=tuple(sorted(_describe_runners(header, stage), key=lambda runner: -runner.images)),
        top=tuple(methods[index] for index in top),
        take=next(iter(proven), None),
        decided=not stage.open.any(),
        over=not stage.targets,
        images=int(stage.counts.max()),
        begun=int(stage.board.scored.max()),
        planned=stage.board.images,
        alike=_group_alike(header, stage),
        standings={spec: _list_standings(header, stage, index) for index, spec in enumerate(header.metrics)},
        rules=stage.board.rules,
        targets={methods[index]: count for index, count in stage.targets.items()},
    )


def _group_alike(header: Header, stage: Stage) -> tuple[tuple[str, ...], ...]:
    methods, models = list(header.methods), stage.board.models
    groups: dict[int, list[str]] = {}
    for index in np.flatnonzero(stage.shadowed):
        groups.setdefault(int(models[index]), [methods[models[index]]]).append(methods[index])
    return tuple(map(tuple, groups.values()))


def _list_standings(header: Header, stage: Stage, metric: int) -> dict[str, Standing]:
    """List how the methods stand by a metric, without the controls."""
    controls, ahead = stage.board.controls, stage.ahead[metric]
    scored = stage.board.first_scores[metric] <= stage.counts
    represented = np.where(stage.shadowed, stage.board.models, np.arange(len(controls)))
    standings: dict[str, Standing] = {}
    for method, index in zip(header.methods, represented, strict=True):
        if controls[index]:
            continue
        if not scored[index]:
            standings[method] = "no score"
        elif not ahead[index, controls].all():
            standings[method] = "no better than a control"
        else:
            standings[method] = "behind" if ahead[:, index].any() else "tie"
    ties = [method for method, standing in standings.items() if standing == "tie"]
    return standings | ({ties[0]: "best"} if len(ties) == 1 else {})


def _describe_runners(header: Header, stage: Stage) -> Iterator[Runner]:
    methods, controls = list(header.methods), stage.board.controls
    for index, method in enumerate(methods):
        kind, reason = _explain(header, stage, index)
        unbeaten = [methods[other] for other in np.flatnonzero(controls & ~stage.beats[index])]
        yield Runner(method, kind, int(stage.counts[index]), reason, () if controls[index] else tuple(unbeaten))


def _explain(header: Header, stage: Stage, index: int) -> tuple[Kind, str]:
    """Explain why a method is not scored any more."""
    methods = list(header.methods)
    if stage.board.controls[index]:
        return "control", ""
    if stage.unscored[index]:
        return "no score", "it has no score by a metric of the race"
    if stage.behind[index]:
        return _explain_loss(header, stage, index)
    if stage.shadowed[index]:
        return "same", f"it has the same scores as {methods[stage.board.models[index]]} on the first {FIRST} images"
    if stage.covered[index] and stage.cheapest is not None:
        slack = format_percent(stage.board.rules.slack)
        return "close", f"it is not {slack} better than {methods[stage.cheapest]}, which is no more expensive"
    return "left", ""


def _explain_loss(header: Header, stage: Stage, index: int) -> tuple[Kind, str]:
    """Name the first method or control that was surely better, and the metric."""
    methods = list(header.methods)
    since = np.where(stage.ahead[:, :, index], stage.board.ahead[:, :, index], NEVER)
    metric, rival = np.unravel_index(since.argmin(), since.shape)
    control = bool(stage.board.controls[rival])
    who = f"the control {methods[rival]}" if control else methods[rival]
    return (
        "no better than a control" if control else "behind",
        f"{who} is surely better by {list(header.metrics)[metric]}",
    )
