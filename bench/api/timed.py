"""Computes a run within a time: cheap methods on a few images of every net, then on all; expensive methods where they fit."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product

from rich.console import Console

from ..core.formatting import format_count, format_time
from ..core.plugins import Plugin
from ..run.plan import Plan, Round
from ..store.parts import NetImage
from ..store.run import Run
from ..store.writer import Writer
from .missing import list_missing
from .progress import Deadline, follow

FIRST = 4  # images of each net before the others


def measure_within(
    plan: Plan, writer: Writer, console: Console, engine: Plugin, *, seconds: float, show: Callable[[str], None]
) -> None:
    """Measure as much of what the directory lacks as fits into the time, and say what does not.

    `show` prints the table of a net: after its first images, and at the end.
    """
    schedule = _Schedule(plan, Run(writer.directory, writer.header), Deadline.after(seconds), show)

    def describe(net: str, image: str) -> tuple[str, float]:
        left = schedule.deadline.left
        return f"{net}: {image}, at most {format_time(left)} left", 1 - left / seconds

    planned = replace(plan, schedule=schedule.list_rounds)
    ended = follow(engine, planned, writer, console, describe=describe, deadline=schedule.deadline)
    writer.flush()
    for net in plan.suite.nets:
        show(net)
    if missing := list(schedule.list_unfinished()):
        reason = "the time is up" if ended else "the other methods are done, and the rest would not end in time"
        console.print(f"{reason}. Not computed: {'; '.join(missing)}.", soft_wrap=True, markup=False)
        console.print("Run the same command again to continue, without --time to the end.", markup=False)


@dataclass
class _Schedule:
    """What is computed in which order, and what is left out because it would not end in time."""

    plan: Plan
    run: Run
    deadline: Deadline
    show: Callable[[str], None]
    needed: dict[tuple[str, str], float] = field(default_factory=dict)  # seconds, by net and expensive method left out
    slow: dict[tuple[str, str], float] = field(default_factory=dict)  # the same of methods that proved expensive
    begun: set[str] = field(default_factory=set)  # the nets of whose first images this command has computed some

    def list_rounds(self) -> Iterator[Round]:
        """Yield rounds of cheap methods, then a round of each expensive one if it is likely to end in time."""
        for start, stop in ((0, FIRST), (FIRST, len(self.plan.indices))):
            for net in self.plan.suite.nets:
                if start:
                    self.slow |= {(net, method): needed for method, needed in self._find_slow(net)}
                methods = self._list_methods(net, expensive=False)
                planned = list(self._list_missing(net, methods, start, stop))
                yield from planned
                if planned and not start:
                    if _count_images(self._list_missing(net, methods, start, stop)) < _count_images(planned):
                        self.begun.add(net)
                    self.show(net)
        for net in self._sort_by_speed():
            for method in self._list_methods(net, expensive=True):
                yield from self._try_expensive_method(net, method)

    def list_unfinished(self) -> Iterator[str]:
        """Describe what is not computed: images of cheap methods, by net, and of each expensive method.

        Images that failed are left out: why they did is reported at the end of every run.
        """
        rows = self.run.table("failures", columns=["net", "image"])
        failed = set(zip(rows["net"], rows["image"], strict=True))
        for net in self.plan.suite.nets:
            if count := self._count_missing(net, self._list_methods(net, expensive=False), failed):
                yield f"{format_count(count, 'image')} on {net}"
        for method, net in product([method.spec for method in self.plan.methods], self.plan.suite.nets):
            if method not in self._list_methods(net, expensive=True):
                continue
            if count := self._count_missing(net, [method], failed):
                needed = self.needed.get((net, method))
                forecast = f" (about {format_time(needed)})" if needed else ""
                yield f"{method} on {net}, {format_count(count, 'image')}{forecast}"

    def _try_expensive_method(self, net: str, method: str) -> Iterator[Round]:
        """Yield the round of one image and, if the others are likely to end in time, that of the others.

        If the first was computed by an earlier command, the user goes on with the others.
        """
        before = self.deadline.left
        first = list(self._list_missing(net, [method], 0, 1))
        yield from first
        seconds = (before - self.deadline.left) / 2  # the first image is explained twice, to count the work
        rest = list(self._list_missing(net, [method], 1, len(self.plan.indices)))
        needed = self.slow.get((net, method), seconds * _count_images(rest))
        is_new = bool(first) or ((net, method) in self.slow and net in self.begun)
        if is_new and needed > self.deadline.left:
            self.needed[net, method] = needed
        else:
            yield from rest

    def _list_missing(self, net: str, methods: Sequence[str], start: int, stop: int) -> Iterator[Round]:
        """Yield what these images of the run, by position, lack of the methods."""
        yield from list_missing(self.plan, self.run, net, dict.fromkeys(methods, range(start, stop)))

    def _count_missing(self, net: str, methods: Sequence[str], failed: Container[NetImage] = ()) -> int:
        """Count the images that lack some of the methods, without those that failed."""
        rounds = self._list_missing(net, methods, 0, len(self.plan.indices))
        return sum((net, self.plan.images.name(index)) not in failed for index in _list_indices(rounds))

    def _list_methods(self, net: str, *, expensive: bool) -> list[str]:
        return [
            method.spec
            for method in self.plan.methods
            if (method.expensive or (net, method.spec) in self.slow) == expensive
        ]

    def _find_slow(self, net: str) -> Iterator[tuple[str, float]]:
        """Yield each method that alone makes the net's cheap methods exceed the time, with the seconds that it still needs.

        It was not declared expensive. The seconds follow from those of its first images. If the others are controls, no method
        is left out.
        """
        cost = self.run.table("cost", columns=["method", "seconds"], net=net)
        medians = cost.groupby("method", observed=True)["seconds"].median()
        needed = {
            method: self._count_missing(net, [method]) * float(medians.get(method, 0))
            for method in self._list_methods(net, expensive=False)
        }
        for method, seconds in needed.items():
            others = needed.keys() - {method}
            if all(self.run.header.methods[other].control for other in others):
                continue
            if seconds > self.deadline.left >= sum(needed[other] for other in others):
                yield method, seconds

    def _sort_by_speed(self) -> list[str]:
        """List the nets, the one that predicts fastest first."""
        rows = self.run.table("predictions", columns=["net", "seconds"])
        seconds = rows.groupby("net", observed=True)["seconds"].median()
        return sorted(self.plan.suite.nets, key=lambda net: float(seconds.get(net, 0.0)))


def _count_images(rounds: Iterable[Round]) -> int:
    return sum(1 for _ in _list_indices(rounds))


def _list_indices(rounds: Iterable[Round]) -> Iterator[int]:
    """Yield the indices of the images of rounds."""
    for planned in rounds:
        for groups in planned.groups.values():
            yield from chain.from_iterable(groups)
