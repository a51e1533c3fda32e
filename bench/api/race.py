"""Computes a race round by round, shows how it goes, and stops it when its time is up."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from math import inf
from time import monotonic

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ..core.formatting import format_count, join_names
from ..core.plugins import Plugin
from ..run.plan import Plan, Round
from ..stats.outcome import Race, describe_race, format_percent, make_board
from ..stats.race import Board, play
from ..store.header import Header
from ..store.run import Run
from ..store.writer import Writer
from .missing import list_missing

COLUMNS = ("dataset", "image", "net", "method", "metric", "value")


def measure_race(plan: Plan, writer: Writer, console: Console, engine: Plugin, seconds: float | None) -> None:
    """Race the methods on each net, and say which drop out. The race ends when it is decided, or when its time is up."""
    deadline = monotonic() + (inf if seconds is None else seconds)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with engine.blame(), Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("")
        watch = _Watch(console)
        watch.say(_describe_rules(writer.header))
        schedule = partial(_schedule, plan, Run(writer.directory, writer.header), watch, deadline)
        with closing(engine(replace(plan, schedule=schedule), writer)) as computed:
            for net, _ in computed:
                progress.update(task, description=f"{net}: {watch.text}")
                if monotonic() > deadline:
                    watch.tell_end(net)
                    break
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
        self.say(f"{net}: the time is up: the same command goes on with the race")


def _describe_rules(header: Header) -> str:
    assert header.suite.race is not None
    confidence, slack = map(format_percent, (header.suite.race.confidence, header.suite.race.slack))
    return f"a race by {join_names(list(header.metrics))}: {confidence} sure, slack {slack}"


def _schedule(plan: Plan, run: Run, watch: _Watch, deadline: float) -> Iterator[Round]:
    """Yield the rounds of the races, net after net, each of which has an equal share of the time that is left."""
    for done, net in enumerate(plan.suite.nets):
        end = monotonic() + (deadline - monotonic()) / (len(plan.suite.nets) - done)
        yield from _fill_gaps(plan, run, net)
        for number, planned in enumerate(_schedule_net(plan, run, net, watch)):
            if number and monotonic() > end:
                watch.tell_end(net)
                break
            yield planned


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
    return make_board(run.header, scores, dict(zip(known["method"], known["forwards"], strict=True)))
