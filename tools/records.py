"""The records of a run on disk, read whole, and replaced whole: by tools that pack runs, or go on with what is packed."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..bench.store import parts
from ..bench.store.header import Header, write_header
from ..bench.store.run import KEYS, Run
from ..bench.store.schema import SCHEMAS
from ..bench.store.writer import lock_directory

MEASURED = ("cost", "predictions")  # tables with seconds


def read_rows(run: Run, table: str) -> list[dict[str, Any]]:
    """Read the rows of a table as they are stored, each key once: the last row counts.

    What it lacks of costs and predictions is that of an earlier one: metrics of ties are computed without measuring seconds.
    """
    keys = [key for key in KEYS if key in SCHEMAS[table].names]
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for part in parts.list_parts(run.directory, run.identity):
        for row in part.read(table).to_pylist() if table in part.files else []:
            key = tuple(row[name] for name in keys)
            earlier = rows.get(key, row) if table in MEASURED else row
            rows[key] = {name: earlier[name] if _is_missing(value) else value for name, value in row.items()}
    return list(rows.values())


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # NaN


def write_run(directory: Path, header: Header, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    """Write a run with one part, in place of what the directory holds, which stays until the new run is whole.

    Raise UsageError if another process writes to the directory.
    """
    with hold(directory):
        _restore(directory)
        fresh, old = _name_siblings(directory)
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)  # of a process that was stopped here
        fresh.mkdir(parents=True)
        write_header(fresh, header)
        parts.write(fresh, "0", [parts.Unit(("", ""), dict(rows))], parts.read_identity(fresh, header))
        if directory.exists():
            with lock_directory(directory):  # raises if a run is being written there
                directory.rename(old)  # `restore` finds the run if the process is stopped here
        fresh.rename(directory)
        shutil.rmtree(old, ignore_errors=True)


def restore(directory: Path) -> None:
    """Bring back the run of a directory if a process was stopped while it replaced it."""
    with hold(directory):
        _restore(directory)


def hold(directory: Path) -> FileLock:
    """Return the lock of a process that replaces a directory, or reads it to do so. It lies beside the directory.

    A process that holds it may ask for it again, but other processes wait.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(directory.with_name(f"{directory.name}.lock"), is_singleton=True)


def _restore(directory: Path) -> None:
    _, old = _name_siblings(directory)
    if old.exists() and not directory.exists():
        old.rename(directory)


def _name_siblings(directory: Path) -> tuple[Path, Path]:
    """Name the directories in which a new run is written, and to which the old one is moved, while it is replaced."""
    return directory.with_name(f"{directory.name}.new"), directory.with_name(f"{directory.name}.old")
