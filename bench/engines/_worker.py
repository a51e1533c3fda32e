"""A worker process with its own device. It computes shards of a run and writes each as a part."""

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch

from ..config.suite import Suite
from ..core.errors import BenchError, UsageError
from ..forward.process import tune_process
from ..run.describe import make_header
from ..run.plan import Plan, make_plan
from ..run.session import Session
from ..store import parts
from ..store.comparability import find_run_difference
from ..store.header import read_header
from ..store.parts import Identity
from ..store.run import open_run
from ._shards import Shard


@dataclass(frozen=True)
class Task:
    """What a worker needs to make the plan of the run."""

    suite: Suite
    device: str
    memory: float | None
    directory: Path  # of the run, on a file system that all machines share
    home: Path  # to which relative paths refer


@dataclass(frozen=True)
class Reply:
    """The seconds that a call took, and the error that ends the run, if any."""

    seconds: float
    error: BenchError | None = None


class Worker:
    """Computes on one net at a time, on one device, with one thread."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._plan: Plan | None = None
        self._identity: Identity | None = None  # of the run
        self._session: tuple[str, Session] | None = None  # of the net that is loaded

    def begin(self) -> Reply:
        """Make the plan. The reply has an error if it is not the plan of the run."""
        return _make_reply(self._find_plan)

    def work(self, shard: Shard, part: str) -> Reply:
        """Compute a shard and write it as a part of this name."""
        return _make_reply(lambda: self._write(shard, part))

    def _write(self, shard: Shard, part: str) -> None:
        if self._session is None or self._session[0] != shard.net:
            self._session = None  # frees the memory of the other net first
            plan = self._find_plan()
            with _prefix_errors_with_machine():
                self._session = shard.net, Session(plan, shard.net)
        groups = self._session[1].compute(shard.groups, shard.methods)
        parts.write(self._task.directory, part, [unit for units in groups for unit in units], self._identity)

    def _find_plan(self) -> Plan:
        """Return the plan, made at the first call; it holds no net. Raise UsageError if it is not the plan of the run."""
        if self._plan is None:
            _set_up_process(self._task)
            with _prefix_errors_with_machine():
                header = read_header(self._task.directory)
                plan = make_plan(self._task.suite, self._task.device, self._task.memory, net_headers=header.nets)
                if difference := find_run_difference(header, make_header(plan)):
                    raise UsageError(f"this would be another run: {difference}")
            plan.image_hashes.update(open_run(self._task.directory).list_image_hashes())
            self._plan, self._identity = plan, parts.read_identity(self._task.directory, header)
        return self._plan


@contextlib.contextmanager
def _prefix_errors_with_machine() -> Iterator[None]:
    """Put the name of this machine before the message of an error."""
    try:
        yield
    except BenchError as error:
        raise type(error)(f"on the machine {socket.gethostname()}: {error}") from None


def _set_up_process(task: Task) -> None:
    """Set directory, import path, threads and memory of this process, which belongs to the run alone.

    Ray puts the directory of the command on the import path; a local run does not import from there.
    """
    if task.home.is_dir():
        os.chdir(task.home)
    sys.path[:] = [path for path in sys.path if path and Path(path) != task.home]
    torch.set_num_threads(1)
    tune_process(torch.device(task.device))


def _make_reply(call: Callable[[], object]) -> Reply:
    start = monotonic()
    try:
        call()
    except BenchError as error:
        return Reply(monotonic() - start, error)
    return Reply(monotonic() - start)
