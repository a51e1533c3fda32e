"""Workers of a Ray cluster, each a process with a device of its own; they take shards of images and write their own parts.

The driver hands out shards, one a worker at a time, so that neither images nor records pass through it. A worker that dies is
replaced, and what it had in hand is handed out again; an image at which three have died fails.
"""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..run.plan import Plan
from ..run.session import failure
from ..store import run as store
from ..store.run import Cell
from ..store.writer import Writer, due
from ._shards import DEATHS, Left, Shard
from ._worker import Reply, Task, Worker

REQUIRES = EXTRA = "ray"
ENVIRONMENT = {"engine": "ray", "threads": "1"}  # of the workers

LOCAL = "local"  # a cluster of this machine's own, for this run
OBJECTS = 80 * 2**20  # bytes of Ray's object store, the least that it takes: next to nothing goes through it
STARTS = 3  # deaths a worker, one after the other, at which the run ends


def work(plan: Plan, writer: Writer, *, address: str = LOCAL, workers: int | None = None) -> Iterator[Cell]:
    """Works off the cells that are not done, and yields each when it is on disk.

    `address` is of a cluster that runs (auto: the one that this machine belongs to); there are as many `workers` as it has
    GPUs, or CPUs where the plan is of a CPU. Raises UsageError as a local run does.
    """
    groups = plan.open(writer.done)
    if groups:
        with _cluster(address, workers):
            count = workers or _devices(plan.device.type, address)
            yield from _Crew(plan, writer, count).work(Left(groups, count))


class _Crew:
    """Some workers, idle or busy: with a shard, or with their beginning."""

    def __init__(self, plan: Plan, writer: Writer, count: int) -> None:
        import ray

        self._plan, self._writer, self._count = plan, writer, count
        suite = plan.suite.model_copy(update={"nets": list(plan.specs.values())})
        task = Task(suite, plan.device.type, plan.memory, writer.directory.resolve(), Path.cwd())
        actor = ray.remote(num_cpus=1, num_gpus=int(plan.device.type == "cuda"))(Worker)
        self._make: Callable[[], Any] = lambda: actor.remote(task)
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Shard | None, str]] = {}  # by what will be the reply
        self._deaths = 0  # since a shard was done
        for _ in range(count):
            self._hire()

    def work(self, left: Left) -> Iterator[Cell]:
        """Works off what is left; workers for whom the cluster has no place yet begin when it has."""
        while left or any(shard for _, shard, _ in self._busy.values()):
            while left and self._idle:
                worker, shard, part = self._idle.pop(), left.take(due(self._writer.began)), self._writer.part()
                self._busy[worker.work.remote(shard, part)] = worker, shard, part
            yield from self._reply(left)

    def _hire(self) -> None:
        worker = self._make()
        self._busy[worker.begin.remote()] = worker, None, ""

    def _reply(self, left: Left) -> list[Cell]:
        """Waits for a worker, and gives the cells that are done by it."""
        import ray

        (reply,), _ = ray.wait(list(self._busy), num_returns=1)
        worker, shard, part = self._busy.pop(reply)
        try:
            told: Reply = ray.get(reply)
        except ray.exceptions.RayActorError as death:
            return self._replace(shard, part, left, death)
        if told.refusal:
            raise UsageError(told.refusal)
        self._idle.append(worker)
        if shard is None:
            return []
        self._deaths = 0
        left.timed(shard, told.seconds)
        return self._cells(shard)

    def _replace(self, shard: Shard | None, part: str, left: Left, death: Exception) -> list[Cell]:
        """Another worker for one that died; the cells that it wrote before, or at which too many have died."""
        self._deaths += 1
        if self._deaths > STARTS * self._count:
            said = str(death).splitlines()[0]
            raise UsageError(
                f"{self._deaths} workers died one after the other ({said}): what is done is kept, and the same command goes on"
            )
        self._hire()
        if shard is None:
            return []
        if store.holds(self._writer.directory, part):
            return self._cells(shard)
        dead = Shard(shard.net, [list(left.put_back(shard))])
        if dead.images:
            reason = f"{DEATHS} workers died at it"
            failures = [failure(self._plan, dead.net, index, reason) for index in dead.images]
            store.write(self._writer.directory, self._writer.part(), failures)
        return self._cells(dead)

    def _cells(self, shard: Shard) -> list[Cell]:
        return [(shard.net, self._plan.images.name(index)) for index in shard.images]


@contextlib.contextmanager
def _cluster(address: str, cpus: int | None) -> Iterator[None]:
    """Connects to a cluster, or starts one for as long as the run takes. Raises UsageError where there is none."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of what it will do one day
    import ray

    own: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": OBJECTS}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(own if address == LOCAL else {}))
    except (ConnectionError, ValueError) as error:
        raise UsageError(f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _devices(kind: str, address: str) -> int:
    import ray

    word = {"cuda": "GPU", "cpu": "CPU"}[kind]
    found = int(ray.cluster_resources().get(word, 0))
    if not found:
        raise UsageError(f"the Ray cluster at {address} has no {word}")
    return found
