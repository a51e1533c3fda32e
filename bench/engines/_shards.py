"""A queue of shards of a run's images. The shard of a worker that died is queued again, group by group."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from ..run.plan import Groups
from ..store.writer import MAX_HELD

MAX_DEATHS = 3  # of workers on one image, after which the image fails


@dataclass(frozen=True)
class Shard:
    """Some images of a net, in groups that share batches."""

    net: str
    groups: Groups
    deaths: int = 0  # of workers while they computed these images
    methods: tuple[str, ...] | None = None  # None: all of the plan

    @property
    def images(self) -> list[int]:
        return [index for group in self.groups for index in group]


class ShardQueue:
    """The groups of images that no worker has taken yet, net by net."""

    def __init__(self, groups: dict[str, Groups], workers: int, methods: tuple[str, ...] | None = None) -> None:
        self._groups = {net: deque(net_groups) for net, net_groups in groups.items()}
        self._methods = methods
        self._retries: deque[Shard] = deque()
        self._workers = workers
        self._seconds: dict[str, float] = {}  # that one group takes, by net

    def __bool__(self) -> bool:
        return bool(self._retries) or any(self._groups.values())

    def take(self, seconds: float) -> Shard:
        """Take about `seconds` of work on the first net with any left, and at most half of a worker's share of it.

        The first shard of a net is one group, because its speed is not known yet.
        """
        net = next((net for net, groups in self._groups.items() if groups), None)
        if net is None:
            return self._retries.popleft()
        groups = self._groups[net]
        target = seconds / self._seconds[net] if net in self._seconds else 1
        limit = min(ceil(len(groups) / (2 * self._workers)), MAX_HELD // len(groups[0]), target)
        return Shard(net, [groups.popleft() for _ in range(max(1, int(limit)))], methods=self._methods)

    def record_time(self, shard: Shard, seconds: float) -> None:
        """Update the speed of a net from the seconds that a shard took."""
        self._seconds[shard.net] = max(seconds / len(shard.groups), 1e-6)

    def put_back(self, shard: Shard) -> Sequence[int]:
        """Queue the groups of a dead worker's shard again. Return the images, if any, at which too many workers have died."""
        deaths = shard.deaths + 1
        if deaths < MAX_DEATHS:
            self._retries.extend(replace(shard, groups=[group], deaths=deaths) for group in shard.groups)
        elif len(shard.images) > 1:  # one of them is at fault: each is tried alone
            self._retries.extend(replace(shard, groups=[[index]]) for index in shard.images)
        else:
            return shard.images
        return ()
