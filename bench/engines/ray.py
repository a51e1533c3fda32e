"""Computes on workers of a Ray cluster: processes with their own device, which take shards of images and write parts.

The driver gives each worker one shard at a time; neither images nor rows pass through it. A worker that dies is replaced,
and its shard is handed out again. An image at which three workers have died fails.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.errors import Fatal, UsageError, read_message
from ..core.process_state import keep_termination_handler
from ..run.plan import Plan
from ..run.session import make_failure
from ..store import parts
from ..store.parts import NetImage
from ..store.writer import Writer, compute_part_seconds
from ._shards import MAX_DEATHS, Shard, ShardQueue
from ._worker import Reply, Task, Worker

REQUIRES = EXTRA = "ray"
ENVIRONMENT = {"engine": "ray", "threads": "1"}  # of the workers
CONCURRENT = True

LOCAL = "local"  # address of a cluster that is started on this machine for this run
OBJECT_STORE_BYTES = 80 * 2**20  # Ray's minimum: almost nothing goes through its object store
CONNECT_SECONDS = 5.0  # until a cluster's address must answer
MAX_DEATHS_IN_A_ROW = 3  # times the number of workers, after which the run ends


def work(plan: Plan, writer: Writer, *, address: str = LOCAL, workers: int | None = None) -> Iterator[NetImage]:
    """Compute the images that are not done, net by net, and yield each with its net when it is on disk.

    `address` is that of a running cluster; `auto` is the cluster to which this machine belongs. By default there is one
    worker for each of the cluster's GPUs, or for each of its CPUs if the plan's device is a CPU. Raise the errors of a
    local run, UsageError if there is no such cluster, and Fatal if workers die again and again.
    """
    plan.drop_nets()  # each worker loads the net that it works on
    with contextlib.ExitStack() as cluster:
        crew: _Crew | None = None
        for planned in plan.list_rounds(writer.done, writer.begun):
            if crew is None:
                cluster.enter_context(_connect(address, workers))
                crew = _Crew(plan, writer, workers or _count_devices(plan.device.type, address))
            yield from crew.work(ShardQueue(planned.groups, crew.count, planned.methods), planned.is_over)


class _Crew:
    """The workers of a run. A busy worker computes a shard or makes its plan."""

    def __init__(self, plan: Plan, writer: Writer, count: int) -> None:
        import ray

        self._plan, self._writer, self.count = plan, writer, count
        suite = plan.suite.model_copy(update={"nets": list(plan.specs.values())})
        task = Task(suite, plan.device.type, plan.memory, writer.directory.resolve(), Path.cwd())
        actor = ray.remote(num_cpus=1, num_gpus=int(plan.device.type != "cpu"))(Worker)
        self._new_worker: Callable[[], Any] = lambda: actor.remote(task)
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Shard | None, str]] = {}  # by the reference to the reply
        self._deaths = 0  # since the last shard that was done
        for _ in range(count):
            self._start_worker()

    def work(self, queue: ShardQueue, is_over: Callable[[], bool]) -> Iterator[NetImage]:
        """Compute the shards of a queue until the round is over. Workers start as the cluster gets room for them."""
        while (queue and not is_over()) or any(shard for _, shard, _ in self._busy.values()):
            while queue and self._idle and not is_over():
                worker, shard, part = (
                    self._idle.pop(),
                    queue.take(compute_part_seconds(self._writer.began)),
                    self._writer.name_part(),
                )
                self._busy[worker.work.remote(shard, part)] = worker, shard, part
            yield from self._wait_for_reply(queue)

    def _start_worker(self) -> None:
        worker = self._new_worker()
        self._busy[worker.begin.remote()] = worker, None, ""

    def _wait_for_reply(self, queue: ShardQueue) -> list[NetImage]:
        """Wait for the reply of any worker, and return the images that it has done, with their net."""
        import ray

        (reference,), _ = ray.wait(list(self._busy), num_returns=1)
        worker, shard, part = self._busy.pop(reference)
        try:
            reply: Reply = ray.get(reference)
        except ray.exceptions.RayActorError as death:
            return self._replace_worker(shard, part, queue, death)
        if reply.error:
            raise reply.error
        self._idle.append(worker)
        if shard is None:
            return []
        self._deaths = 0
        queue.record_time(shard, reply.seconds)
        return self._list_images(shard)

    def _replace_worker(self, shard: Shard | None, part: str, queue: ShardQueue, death: Exception) -> list[NetImage]:
        """Start another worker for one that died. Return the images that it had written, or that fail now."""
        self._deaths += 1
        if self._deaths > MAX_DEATHS_IN_A_ROW * self.count:
            message = str(death).splitlines()[0]
            raise Fatal(
                f"{self._deaths} workers died in a row ({message}): "
                "finished images are kept; run the same command to resume"
            )
        self._start_worker()
        if shard is None:
            return []
        if parts.has_part(self._writer.directory, part, self._writer.identity):
            return self._list_images(shard)
        failed = replace(shard, groups=[list(queue.put_back(shard))])
        if failed.images:
            reason = f"{MAX_DEATHS} workers crashed while computing this image"
            failures = [make_failure(self._plan, failed.net, index, reason) for index in failed.images]
            parts.write(self._writer.directory, self._writer.name_part(), failures, self._writer.identity)
        return self._list_images(failed)

    def _list_images(self, shard: Shard) -> list[NetImage]:
        return [(shard.net, self._plan.images.name(index)) for index in shard.images]


@contextlib.contextmanager
def _connect(address: str, cpus: int | None) -> Iterator[None]:
    """Connect to a cluster, or start one for the run. Raise UsageError if there is no cluster at the address."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning of Ray
    import ray

    _check_reachable(address)
    settings: dict[str, Any] = {"num_cpus": cpus, "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    try:
        with keep_termination_handler():
            ray.init(
                address, log_to_driver=False, logging_level=logging.ERROR, **(settings if address == LOCAL else {})
            )
    except (ConnectionError, ValueError) as error:
        raise UsageError(f"there is no Ray cluster at {address}: {str(error).splitlines()[0]}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise UsageError if nothing answers at HOST:PORT: Ray would try for minutes, and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # the name of a cluster: auto, local
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"there is no Ray cluster at {address}: {read_message(error)}") from None


def _count_devices(device_type: str, address: str) -> int:
    import ray

    resource = "CPU" if device_type == "cpu" else "GPU"
    count = int(ray.cluster_resources().get(resource, 0))
    if not count:
        raise UsageError(f"the Ray cluster at {address} has no {resource}")
    return count
