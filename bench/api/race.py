"""Computes a race round by round, shows how it goes, and stops it when its time is up."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from rich.console import Console

from ..core.formatting import format_count, format_time, join_names
from ..core.plugins import Plugin
from ..run.plan import Plan, Round
from ..stats.outcome import Race, describe_race, format_percent, make_board
from ..stats.race import Board, play
from ..store.header import Header
from ..store.run import Run
from ..store.writer import Writer
from .missing import list_missing
from .progress import Deadline, follow

REACH = 0.1  # of a metric's range: a race that can decide smaller differences needs no warning
COLUMNS = ("dataset", "image", "net", "method", "metric", "value")


def measure_race(plan: Plan, writer: Writer, console: Console, engine: Plugin, seconds: float | None) -> None:
    """Race the methods on each net, and say which drop out. The race ends when it is decided, or when its time is up."""
    deadline, watch = Deadline.after(seconds), _Watch(console)
    watch.say(_describe_rules(writer.header))
    board = _read_board(Run(writer.directory, writer.header), plan.suite.nets[0])
    if warning := describe_reach(board.images, board.find_smallest_difference()):
        watch.say(warning)

    def describe(net: str, _: str) -> tuple[str, float | None]:
        if seconds is None:
            return f"{net}: {watch.text}", None
        return f"{net}: {watch.text}, at most {format_time(deadline.left)} left", 1 - deadline.left / seconds

    schedule = partial(_schedule, plan, Run(writer.directory, writer.header), watch, deadline)
    if net := follow(engine, replace(plan, schedule=schedule), writer, console, describe=describe, deadline=deadline):
        watch.tell_end(net)
    writer.flush()


class _Watch:
    """Says how a race goes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[tuple[str, str]] = set()  # nets and methods that have dropped out
        self.text = ""

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, soft_wrap=True, markup=False)

    def tell(self, net: str, race: Race) -> None:
        """Print which methods have dropped out since the last call."""
        for runner in race.runners:
            if runner.reason and (net, runner.method) not in self._told:
                self._told.add((net, runner.method))
                self.say(
                    f"{net}: {runner.method} drops out after {format_count(runner.images, 'image')}: {runner.reason}"
                )
        self.text = f"{format_count(race.images, 'image')}, {format_count(len(race.top), 'method')} left"

    def tell_end(self, net: str) -> None:
        """Print that there is no more time for a net."""
        self.say(f"{net}: the time is up: run the same command again to resume the race")


def _describe_rules(header: Header) -> str:
    assert header.suite.race is not None
    confidence, slack = map(format_percent, (header.suite.race.confidence, header.suite.race.slack))
    return f"a race by {join_names(list(header.metrics))}: {confidence} sure, slack {slack}"


def describe_reach(images: int, smallest: float | None) -> str | None:
    """Say what so few images can decide, by the smallest difference that they can make sure; None if they are enough."""
    if smallest is None:
        return (
            f"{format_count(images, 'image')} are too few for a race: take more, or compare the methods with bench run"
        )
    if smallest > REACH:
        return (
            f"{format_count(images, 'image')} can decide only differences of {format_percent(smallest)} of a metric's range "
            "and more: take more for smaller ones"
        )
    return None


def _schedule(plan: Plan, run: Run, watch: _Watch, deadline: Deadline) -> Iterator[Round]:
    """Yield the rounds of the races, net after net, each of which has an equal share of the time that is left.

    At the end of its time a net begins no further group of images, so that an expensive method does not take the time of the
    other nets.
    """
    for done, net in enumerate(plan.suite.nets):
        end = Deadline.after(deadline.left / (len(plan.suite.nets) - done))
        yield from _fill_gaps(plan, run, net)
        for number, planned in enumerate(_schedule_net(plan, run, net, watch)):
            if number and end.is_over():
                watch.tell_end(net)
                break
            yield replace(planned, is_over=end.is_over)


def _fill_gaps(plan: Plan, run: Run, net: str) -> Iterator[Round]:
    """Yield rounds of the images before its last one that a method lacks: they failed, or their part was removed."""
    scored = _read_board(run, net).scored
    wanted = {method.spec: range(int(count)) for method, count in zip(plan.methods, scored, strict=True)}
    return list_missing(plan, run, net, wanted)


def _schedule_net(plan: Plan, run: Run, net: str, watch: _Watch) -> Iterator[Round]:
    """Yield the rounds of the race on one net. A round takes the methods that have the same images to do."""
    tried = np.zeros(len(plan.methods), dtype=np.int64)  # an image that failed is not tried again at once
    methods = [method.spec for method in plan.methods]
    while True:
        board = _read_board(run, net)
        board = replace(board, scored=np.maximum(board.scored, tried))
        race = describe_race(run.header, play(board))
        watch.tell(net, race)
        if not race.targets:
            return
        spans: dict[tuple[int, int], list[int]] = {}
        for method, target in race.targets.items():
            index = methods.index(method)
            spans.setdefault((int(board.scored[index]), target), []).append(index)
        for (start, stop), members in spans.items():
            if start < stop:
                tried[members] = stop
                yield Round(
                    {net: plan.select_groups(set(plan.indices[start:stop]))}, tuple(methods[index] for index in members)
                )


def _read_board(run: Run, net: str) -> Board:
    scores, cost = run.table("scores", columns=COLUMNS, net=net), run.table("cost", net=net)
    known = cost.dropna(subset=["forwards"])
    forwards = dict(zip(known["method"], known["forwards"], strict=True))
    return make_board(run.header, scores, forwards, {*run.table("failures", net=net)["image"]})
