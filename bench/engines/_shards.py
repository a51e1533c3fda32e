"""What is left of a run, handed out shard by shard; what a dead worker had in hand is handed out again, group by group."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from ..store.writer import HELD_MOST

DEATHS = 3  # of workers, at which an image fails

Groups = list[list[int]]


@dataclass(frozen=True)
class Shard:
    """Some images of a net, in the groups that share batches, and at how many workers' deaths they were in hand."""

    net: str
    groups: Groups
    deaths: int = 0

    @property
    def images(self) -> list[int]:
        return [index for group in self.groups for index in group]


class Left:
    """The groups of images that are left, net by net, to be taken by some workers."""

    def __init__(self, groups: dict[str, Groups], workers: int) -> None:
        self._groups = {net: deque(some) for net, some in groups.items()}
        self._again: deque[Shard] = deque()
        self._workers = workers
        self._seconds: dict[str, float] = {}  # of a group, by net

    def __bool__(self) -> bool:
        return bool(self._again) or any(self._groups.values())

    def take(self, seconds: float) -> Shard:
        """About so many seconds of work on the first net that has any, but no more than half of a worker's share of it.

        A net's first shard is one group: how long it takes is not known.
        """
        net = next((net for net, groups in self._groups.items() if groups), None)
        if net is None:
            return self._again.popleft()
        groups = self._groups[net]
        wanted = seconds / self._seconds[net] if net in self._seconds else 1
        most = min(ceil(len(groups) / (2 * self._workers)), HELD_MOST // len(groups[0]), wanted)
        return Shard(net, [groups.popleft() for _ in range(max(1, int(most)))])

    def timed(self, shard: Shard, seconds: float) -> None:
        """Learns from how long a shard took."""
        self._seconds[shard.net] = max(seconds / len(shard.groups), 1e-6)

    def put_back(self, shard: Shard) -> Sequence[int]:
        """Takes back what a worker died at, each group apart; and gives the images, if any, that have killed too many."""
        deaths = shard.deaths + 1
        if deaths < DEATHS:
            self._again.extend(Shard(shard.net, [group], deaths) for group in shard.groups)
        elif len(shard.images) > 1:  # one of them it was
            self._again.extend(Shard(shard.net, [[index]], shard.deaths) for index in shard.images)
        else:
            return shard.images
        return ()
