"""Follows an engine: a line of progress with the time that is left, and a deadline."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
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

    An image on a net that is not begun is taken to need as many times more than the others as one prediction does.
    """

    def __init__(self, left: Mapping[str, int], flops: Mapping[str, float]) -> None:
        self.left = Counter(left)  # images, by net
        self._flops = flops  # of a prediction, by net; without, a net is taken to be like the others
        self._done: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._last = monotonic()

    def record(self, net: str) -> None:
        """Record that an image on a net is done, which took the time since the last one."""
        now = monotonic()
        self._seconds[net] = self._seconds.get(net, 0.0) + now - self._last
        self._last = now
        self._done[net] += 1
        self.left[net] -= 1

    @property
    def seconds(self) -> float:
        """The seconds that the rest takes; at least one image must be done."""
        return sum(count * self._forecast_image(net) for net, count in self.left.items() if count)

    @property
    def share(self) -> float:
        """The share of these seconds and those passed that has passed."""
        passed = sum(self._seconds.values())
        return passed / (passed + self.seconds) if passed else 0.0

    def _forecast_image(self, net: str) -> float:
        if self._done[net]:
            return self._seconds[net] / self._done[net]
        known = net in self._flops and self._flops.keys() >= self._done.keys()
        work = self._flops if known else dict.fromkeys((net, *self._done), 1.0)
        return work[net] * sum(self._seconds.values()) / sum(work[other] * n for other, n in self._done.items())


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
