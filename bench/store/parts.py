"""The parts of a run on disk: written whole or not at all, and read only if they are as they were written.

A part has a file in each table that has rows, of one name. Its list, `parts/part-NAME.json`, is written last and holds the
identity of the run, and the SHA-256 of the run's header and of each file. A run of an older version has no identity and no
lists: its parts are complete once their scores exist, and are checked by their schema alone.
"""

import hashlib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from ..core.errors import UsageError, read_message
from ..core.files import explain_os_errors, hash_file
from .header import Header, make_damage_error
from .layout import FILE, LISTS
from .schema import NAMES, NEEDED, SCHEMAS
from .shipped import choose_remedy, is_shipped

Rows = list[dict[str, Any]]
NetImage = tuple[str, str]  # (net, image)

TIME = "%Y%m%dT%H%M%S%f"  # when a process began to write a run, in UTC, in the names of its parts
STAMP = re.compile(r"part-(\d{8}T\d{12})-")


@dataclass
class Unit:
    """The rows of one image on one net, by table."""

    net_image: NetImage
    rows: dict[str, Rows] = field(default_factory=dict)


class Identity(BaseModel):
    """What a run and its parts have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    run: str  # drawn when the run began
    header: str  # the SHA-256 of run.json


class PartList(Identity):
    """The content of a part's list."""

    files: dict[str, str]  # by table: the SHA-256 of its file


@dataclass(frozen=True)
class Part:
    """A part of a run: its name, and the hash of its file in each table that it has; None in a run of an older version."""

    directory: Path
    name: str
    files: dict[str, str | None]

    @property
    def marker(self) -> Path:
        """The file without which the part is ignored."""
        return _find_marker(self.directory, self.name, listed=None not in self.files.values())

    def find_file(self, table: str) -> Path:
        """Find the file of a table."""
        return self.directory / table / f"{self.name}.parquet"

    def read(self, table: str) -> pa.Table:
        """Read the rows of a table; names are dictionary-encoded. Raise UsageError for a file that is missing or damaged."""
        return self._parse(table, pa.BufferReader(self._read_bytes(table)), None)

    def read_columns(self, table: str, columns: Sequence[str]) -> pa.Table:
        """Read some columns of a table whose file was read before."""
        return self._parse(table, self.find_file(table), columns)

    def _parse(self, table: str, source: Any, columns: Sequence[str] | None) -> pa.Table:
        names = [name for name in NAMES if name in SCHEMAS[table].names]
        try:
            return pq.ParquetFile(source, read_dictionary=names).read(columns, use_threads=False)
        except KeyError as error:
            raise self.make_damage_error(table, f"it has no column {error.args[0].decode()!r}") from None
        except (pa.ArrowException, OSError) as error:
            raise self.make_damage_error(table, read_message(error).rstrip(".")) from None

    def _read_bytes(self, table: str) -> bytes:
        """Read the file of a table. Raise UsageError if it is missing or not as it was written."""
        file = self.find_file(table)
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            remedy = choose_remedy(file, "run the same command again to compute it")
            raise UsageError(f"{file} is missing: {remedy}") from None
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}") from None
        if self.files[table] not in (None, hashlib.sha256(content).hexdigest()):
            raise self.make_damage_error(table, "it is not the file that was written")
        return content

    def make_damage_error(self, table: str, reason: str) -> UsageError:
        """Make the error for a damaged file."""
        return _make_damage_error(self.find_file(table), reason, self.marker)

    @property
    def is_complete(self) -> bool:
        """Whether all files exist."""
        return all(self.find_file(table).exists() for table in self.files)


def read_identity(directory: Path, header: Header) -> Identity | None:
    """Read the identity of the run in a directory; None for a run of an older version."""
    return None if header.id is None else Identity(run=header.id, header=hash_file(directory / FILE))


def list_parts(directory: Path, identity: Identity | None) -> list[Part]:
    """List the parts of a run in the order in which they were written.

    Raise UsageError for a list that is damaged or belongs to another run, and for a header that was changed.
    """
    if identity is None:
        if (directory / LISTS).exists():
            raise make_damage_error(directory / FILE, "it has no 'id'")
        names = sorted(file.stem for file in (directory / "scores").glob("part-*.parquet"))
        return [Part(directory, name, _find_tables(directory, name)) for name in names]
    lists = sorted((directory / LISTS).glob("part-*.json"))
    if not lists and is_shipped(directory / FILE):
        raise UsageError(f"{directory / LISTS} is missing: install cambench again")
    return [Part(directory, file.stem, _read_list(file, identity)) for file in lists]


def _find_tables(directory: Path, name: str) -> dict[str, str | None]:
    """Find the tables of a part that has no list."""
    return {table: None for table in SCHEMAS if table in NEEDED or (directory / table / f"{name}.parquet").exists()}


def _read_list(file: Path, identity: Identity) -> dict[str, str | None]:
    try:
        content = PartList.model_validate_json(file.read_bytes())
    except (ValidationError, OSError):
        raise _make_damage_error(file, "it is not the list of a part", file) from None
    if content.run != identity.run:
        raise _make_damage_error(file, "it belongs to another run", file)
    if content.header != identity.header:
        raise make_damage_error(file.parents[1] / FILE, "it was changed after the run began")
    if not (set(NEEDED) <= content.files.keys() <= set(SCHEMAS)):
        raise _make_damage_error(file, "it does not list the tables of a run", file)
    return dict(content.files)


def find_time(path: Path) -> str:
    """Find when a run wrote its first part, or else when the file, a baseline, was written: `20261201T093015000000`, in UTC."""
    stamps = [match[1] for file in (path / "scores").glob("part-*") if (match := STAMP.match(file.stem))]
    if stamps:
        return min(stamps)
    file = path / FILE if path.is_dir() else path
    return datetime.fromtimestamp(file.stat().st_mtime if file.exists() else 0, UTC).strftime(TIME)


def _find_marker(directory: Path, name: str, *, listed: bool) -> Path:
    return directory / LISTS / f"{name}.json" if listed else directory / "scores" / f"{name}.parquet"


def _make_damage_error(file: Path, reason: str, marker: Path) -> UsageError:
    remedy = choose_remedy(file, f"remove {marker} and run the same command again to compute what is missing")
    return UsageError(f"{file} is damaged ({reason}): {remedy}")


def check_output(file: Path) -> None:
    """Raise UsageError for the name of an output that would overwrite a record of a run."""
    target = Path(os.path.realpath(file))
    is_part = target.parent.name in (LISTS, *SCHEMAS) and (target.parents[1] / FILE).is_file()
    if is_part or (target.name == FILE and target.exists()):
        raise UsageError(f"{file} is part of a run and would be overwritten: name another file")


def write(directory: Path, part: str, units: Sequence[Unit], identity: Identity | None) -> None:
    """Write a part, or replace the part of this name. If the process is killed, the part is either complete or ignored."""
    name = f"part-{part}"
    with explain_os_errors(directory):
        _find_marker(directory, name, listed=identity is not None).unlink(missing_ok=True)
        files: dict[str, str] = {}
        for table, schema in SCHEMAS.items():
            rows = [row for unit in units for row in unit.rows.get(table, [])]
            if rows or table in NEEDED:
                content = _encode(pa.Table.from_pylist(rows, schema=schema))
                _write_bytes(directory / table / f"{name}.parquet", content)
                files[table] = hashlib.sha256(content).hexdigest()
        if identity is not None:
            content = PartList(run=identity.run, header=identity.header, files=files).model_dump_json(indent=1).encode()
            _write_bytes(directory / LISTS / f"{name}.json", content)


def has_part(directory: Path, part: str, identity: Identity | None) -> bool:
    """Tell whether a part is complete."""
    return _find_marker(directory, f"part-{part}", listed=identity is not None).exists()


def remove_incomplete_parts(directory: Path, identity: Identity | None) -> None:
    """Remove the files of incomplete parts, which a killed process left. No other process may be writing."""
    complete = {part.name for part in list_parts(directory, identity) if part.is_complete}
    with explain_os_errors(directory):
        for folder in (LISTS, *SCHEMAS):  # the lists first: without one, the rest is ignored
            for file in (directory / folder).glob(".part-*.partial"):
                file.unlink()
            for file in (directory / folder).glob("part-*.json" if folder == LISTS else "part-*.parquet"):
                if file.stem not in complete:
                    file.unlink()


def _encode(rows: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(rows, buffer)
    return buffer.getvalue()


def _write_bytes(file: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    file.parent.mkdir(exist_ok=True)
    partial = file.with_name(f".{file.stem}.partial")  # hidden from programs that read the folder
    with partial.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)
