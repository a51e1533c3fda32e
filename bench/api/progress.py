"""Follows an engine: a line of progress with the time that is left, and a deadline."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ..core.plugins import Plugin
from ..run.plan import Plan
from ..store.writer import Writer

Describe = Callable[[str, str], tuple[str, float | None]]  # of a net and image: the line, and the share that is done
BAR = 20  # characters


@dataclass(frozen=True)
class Deadline:
    """When the time is up."""

    at: float  # by the clock of time.monotonic

    @classmethod
    def after(cls, seconds: float | None) -> "Deadline":
        """Return the deadline in so many seconds; None: never."""
        return cls(monotonic() + (inf if seconds is None else seconds))

    @property
    def left(self) -> float:
        """The seconds that are left; negative after the deadline."""
        return self.at - monotonic()

    def is_over(self) -> bool:
        """Tell whether the time is up."""
        return self.left < 0


class Forecast:
    """Forecasts the seconds that the rest of a run takes, from those that it has taken.

    `groups` holds the numbers of images that are computed together, by net: their images are done at the same time, so that
    only the seconds of whole groups say something. The first group of a net takes longer, because the net is warmed up and its
    work is counted: it counts as long as there is no other. If groups are computed at the same time (`is_concurrent`), in no
    given order, every image counts as it is done. `passes` are the seconds of a pass of some images, by net: an image on a net
    that is not begun is taken to need as many times more than the others as a pass does; without, as many as the others.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[int]], passes: Mapping[str, float], *, is_concurrent: bool = False
    ) -> None:
        self.left = Counter({net: sum(counts) for net, counts in groups.items()})  # images, by net
        self._ends = {net: {sum(counts) - end for end in accumulate(counts)} for net, counts in groups.items()}
        self._passes, self._is_concurrent = passes, is_concurrent
        self._waiting: Counter[str] = Counter()  # images of groups that are not done
        self._done: dict[str, list[tuple[int, float]]] = {}  # the images and seconds of each group, by net
        self._last = monotonic()

    def record(self, net: str) -> None:
        """Record that an image on a net is done; the last one of a group takes the time since the last group."""
        self.left[net] -= 1
        self._waiting[net] += 1
        if self.left[net] not in self._ends[net] and not self._is_concurrent:
            return
        now = monotonic()
        self._done.setdefault(net, []).append((self._waiting.pop(net), now - self._last))
        self._last = now

    @property
    def seconds(self) -> float | None:
        """The seconds that the rest takes; None until a net is done, or a second group of it."""
        if not any(len(done) > 1 or not self.left[net] for net, done in self._done.items()):
            return None
        return sum(
            count * self._forecast_image(net) for net in self.left if (count := self.left[net] + self._waiting[net])
        )

    @property
    def share(self) -> float | None:
        """The share of these seconds and those passed that has passed; None as long as they are not known."""
        passed, rest = sum(seconds for done in self._done.values() for _, seconds in done), self.seconds
        return passed / (passed + rest) if rest is not None and passed else None

    def _forecast_image(self, net: str) -> float:
        if net in self._done:
            images, seconds = self._measure_pace(net)
            return seconds / images
        known = net in self._passes and self._passes.keys() >= self._done.keys()
        unit = self._passes if known else dict.fromkeys((net, *self._done), 1.0)
        paces = {other: self._measure_pace(other) for other in self._done}
        return unit[net] * sum(taken for _, taken in paces.values()) / sum(unit[at] * n for at, (n, _) in paces.items())

    def _measure_pace(self, net: str) -> tuple[int, float]:
        """Return the images of a net that count, and their seconds."""
        later = [] if self._is_concurrent else self._done[net][1:]
        images, seconds = zip(*(later or self._done[net]), strict=True)
        return sum(images), sum(seconds)


def follow(
    engine: Plugin, plan: Plan, writer: Writer, console: Console, *, describe: Describe, deadline: Deadline
) -> str | None:
    """Let an engine compute a plan until the deadline. Return the net on which the time was up; None if all is computed."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(BAR))
    with engine.blame(), Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("")
        with closing(engine(plan, writer)) as computed:
            for net, image in computed:
                text, share = describe(net, image)
                progress.update(task, description=text, completed=share or 0, total=None if share is None else 1)
                if deadline.is_over():
                    return net
    return None
