"""A process with a device of its own, that computes shards of a run and writes them as parts."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import torch

from ..config.suite import Suite
from ..core.errors import UsageError
from ..run.describe import header
from ..run.plan import Plan, plan
from ..run.session import Ready
from ..store import run as store
from ..store.header import difference, header_of
from ._shards import Shard


@dataclass(frozen=True)
class Task:
    """What a worker must know to make the run's plan anew."""

    suite: Suite
    device: str
    memory: float | None
    directory: Path  # the run's, which all machines see
    home: Path  # where relative paths begin


@dataclass(frozen=True)
class Reply:
    """The seconds that a worker took, or the sentence with which the run ends."""

    seconds: float
    refusal: str | None = None


class Worker:
    """One net at a time on one device, with one thread."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._plan: Plan | None = None
        self._ready: tuple[str, Ready] | None = None  # the net that is loaded

    def begin(self) -> Reply:
        """Makes the plan, and refuses where it is not the run's."""
        return _replied(self._planned)

    def work(self, shard: Shard, part: str) -> Reply:
        """Computes a shard, and writes it as a part of this name."""
        return _replied(lambda: self._write(shard, part))

    def _write(self, shard: Shard, part: str) -> None:
        if self._ready is None or self._ready[0] != shard.net:
            self._ready = None  # the other's memory first
            self._ready = shard.net, Ready(self._planned(), shard.net)
        made = self._ready[1].units(shard.groups)
        store.write(self._task.directory, part, [unit for units in made for unit in units])

    def _planned(self) -> Plan:
        if self._plan is None:
            _settle(self._task.home)
            try:
                made = plan(self._task.suite, self._task.device, self._task.memory)
                other = difference(header_of(self._task.directory), header(made))
            except UsageError as refusal:
                raise UsageError(f"on the machine {socket.gethostname()}: {refusal}") from None
            if other:
                raise UsageError(f"the machine {socket.gethostname()} would make another run of it: {other}")
            self._plan = made
        return self._plan


def _settle(home: Path) -> None:
    """Where the command was given, as far as the machine has it; but nothing is imported from there: Ray would."""
    if home.is_dir():
        os.chdir(home)
    sys.path[:] = [path for path in sys.path if path and Path(path) != home]
    torch.set_num_threads(1)


def _replied(call: Callable[[], object]) -> Reply:
    start = monotonic()
    try:
        call()
    except UsageError as refusal:
        return Reply(monotonic() - start, str(refusal))
    return Reply(monotonic() - start)
