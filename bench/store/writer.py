"""Writes a run: locks its directory, checks or writes its header, and writes its parts, in a thread of its own."""

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import UsageError
from ..core.files import explain_os_errors
from ..core.formatting import join_names
from ..core.profiling import time_span
from . import parts
from .comparability import find_run_difference
from .header import Header, read_header, write_header
from .layout import FILE, LOCK, PARTIAL
from .parts import Unit
from .run import Run

FLUSH_SECONDS = 5.0  # of work in a part, at least: lost if the process is killed
FLUSH_SHARE = 0.02  # of the time since the run began, if longer: a run of hours has a few hundred parts
MAX_HELD = 128  # units kept in memory


def compute_part_seconds(began: float) -> float:
    """Compute the seconds of work in one part of a run that began at this time (of time.monotonic)."""
    return max(FLUSH_SECONDS, FLUSH_SHARE * (time.monotonic() - began))


class Writer:
    """Writes a run. A directory that already holds a run with this header is resumed.

    A part is written by another thread while the next images are computed; an error of it is raised at the next part.
    Raises UsageError for a directory that holds anything else, or that another process writes to.
    """

    def __init__(self, directory: Path, header: Header) -> None:
        if ":/" in str(directory):
            raise UsageError(f"a run is written to a local folder, and {directory} is a URL: name a folder with --out")
        self.directory = directory
        with explain_os_errors(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = lock_directory(directory)
        try:
            with explain_os_errors(directory):
                written = Run(directory, _claim(directory, header))
            self.header = written.header
            self.identity = written.identity
            parts.remove_incomplete_parts(directory, self.identity)
            written.check()
            self.done, self.begun = written.list_done(), written.list_begun()
            self.image_hashes = written.list_image_hashes()
        except BaseException:
            self._lock.release()
            raise
        # Unique to this writer; later marks sort later.
        self.mark = f"{datetime.now(UTC):{parts.TIME}}-{secrets.token_hex(3)}"
        self.began = self._flushed = time.monotonic()
        self._units: list[Unit] = []
        self._parts = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._writing: tuple[Future[None], list[Unit]] | None = None

    def add(self, units: Sequence[Unit], *, last: bool = False) -> None:
        """Add the rows of a group of images. Write them if enough are held, or after the last group of a net.

        After the last group, all of them are on disk when this returns.
        """
        self._units += units
        full = len(self._units) >= MAX_HELD or time.monotonic() - self._flushed > compute_part_seconds(self.began)
        if last:
            self.flush()
        elif full:
            self._start_part()

    def name_part(self) -> str:
        """Return the name of the next part."""
        self._parts += 1
        return f"{self.mark}-{self._parts:05}"

    def flush(self) -> None:
        """Write the units that are held in memory, and wait until they are on disk."""
        self._start_part()
        self._finish_part()

    def close(self) -> None:
        """Release the lock of the directory; units that are not flushed are lost."""
        self._thread.shutdown()
        self._lock.release()

    def _start_part(self) -> None:
        """Start to write the units that are held in memory, once the part before is on disk."""
        self._finish_part()
        if self._units:
            writing = self._thread.submit(parts.write, self.directory, self.name_part(), self._units, self.identity)
            self._writing, self._units = (writing, self._units), []
        self._flushed = time.monotonic()

    def _finish_part(self) -> None:
        """Wait until the part that is being written is on disk. Raise UsageError if it cannot be written; it is held again."""
        if self._writing is None:
            return
        (writing, units), self._writing = self._writing, None
        try:
            with time_span("writing"):
                writing.result()
        except BaseException:
            if writing.done():
                self._units = units + self._units
            else:  # an interrupt: the part is still being written
                self._writing = writing, units
            raise


def lock_directory(directory: Path) -> FileLock:
    """Lock a directory for this process. Raise UsageError if another process has locked it."""
    lock = FileLock(directory / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(f"another run is writing to {directory}: wait for it, or name another with --out") from None
    return lock


def _claim(directory: Path, header: Header) -> Header:
    """Write the header of a new run, with an identity, or check that the run in the directory has this header.

    Return the header that is in the directory. The header of a run that has no rows yet is replaced.
    """
    held = {path.name for path in directory.iterdir()} - {LOCK, PARTIAL}  # a kill may have left a header half written
    if FILE in held:
        written = read_header(directory)
        reason = find_run_difference(written, header)
        if not reason:
            return written
        if held != {FILE}:
            raise UsageError(_explain_difference(directory, written, header, reason))
    elif held:
        raise UsageError(f"{directory} is not empty and holds no run: name another directory with --out")
    header = header.model_copy(update={"id": secrets.token_hex(8)})
    write_header(directory, header)
    return header


def _explain_difference(directory: Path, written: Header, header: Header, reason: str) -> str:
    """Explain in a sentence why a directory is not resumed: it holds another run, or lacks nets whose weights are here now."""
    if nets := [net for net in header.nets if net in written.suite.missing]:
        return (
            f"{directory} was measured without {join_names(nets)}, whose weights were missing: "
            f"measure them with --nets {','.join(nets)} --out OTHER"
        )
    return f"{directory} holds another run: {reason}; name another directory with --out, or remove that one"
