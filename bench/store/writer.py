"""Writing a run: a directory claimed for one run and one command at a time, and its parts as they come."""

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.files import refusals
from ..core.profiling import span
from . import run
from .header import claim, locked
from .run import Unit

FLUSH_SECONDS = 5.0  # of work that a kill can cost, at the least
FLUSH_SHARE = 0.02  # of the time since the run began, where that is more: a worker writes a few hundred parts in hours
HELD_MOST = 128  # units, whatever the time: memory is theirs


def due(began: float) -> float:
    """After how many seconds of work a part is to be written, in a run that began then (by time.monotonic)."""
    return max(FLUSH_SECONDS, FLUSH_SHARE * (time.monotonic() - began))


class Writer:
    """Writes a run. The run that a directory already holds must be the header's own: it is gone on with."""

    def __init__(self, directory: Path, header: dict[str, Any]) -> None:
        if ":/" in str(directory):
            raise UsageError(f"a run is kept in a folder, and {directory} is an address: name a folder with --out")
        self.directory = directory
        with refusals(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = locked(directory)
        try:
            with refusals(directory):
                claim(directory, header)
            run.tidy(directory)
            self.done = run.done(directory)
        except UsageError:
            self._lock.close()
            raise
        # No two writers share it, and later ones come later in the order of names.
        self.mark = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(3)}"
        self.began = self._flushed = time.monotonic()
        self._units: list[Unit] = []
        self._parts = 0

    def add(self, units: Sequence[Unit], *, last: bool = False) -> None:
        """Adds what a group of images gave; it is written when enough has come together, or with the last of a net."""
        self._units += units
        full = len(self._units) >= HELD_MOST or time.monotonic() - self._flushed > due(self.began)
        if full or last:
            self.flush()

    def part(self) -> str:
        """The name of the next part."""
        self._parts += 1
        return f"{self.mark}-{self._parts:05}"

    def flush(self) -> None:
        """Writes what was added."""
        if self._units:
            with span("writing"):
                run.write(self.directory, self.part(), self._units)
            self._units.clear()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._lock.close()
