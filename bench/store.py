"""A run on disk: written as it goes, taken up again where it stopped, readable by pandas.

    run.json              the suite, its protocols, the environment, fingerprints of weights and data
    scores/*.parquet      a row per (image, net, method, metric): the per-image value, or the reason why there is none
    curves/*.parquet      insertion and deletion curves
    maps/*.parquet        the maps as the methods gave them
    images/*.parquet      small pictures of the images, for reports
    predictions.parquet   a row per (image, net): label, target, probability
    cost.parquet          a row per (image, net, method): seconds, and for the first image forwards and peak bytes

A part is complete when its scores are there: they are written last.
"""

import fcntl
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from .errors import UsageError
from .files import refusals, write_text
from .schema import PARTED, SCHEMAS, WHOLE

FORMAT = 1

Rows = list[dict[str, Any]]
Cell = tuple[str, str]  # (net, image)


@dataclass
class Unit:
    """All that one image on one net gave: rows by table."""

    cell: Cell
    rows: dict[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run as it was stored: its header, and its tables as frames (empty ones where nothing is written yet)."""

    directory: Path
    header: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.header["suite"]["name"])

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables: scores, curves, maps, predictions, cost, images."""
        return _frame(self.directory, name)


def read(directory: Path | str) -> Run:
    """The run in a directory. Raises UsageError where there is none, or one that this version cannot read."""
    directory = Path(directory)
    file = directory / "run.json"
    if not file.is_file():
        raise UsageError(f"{directory} holds no run: it has no run.json")
    try:
        header = json.loads(file.read_text())
    except ValueError:
        raise UsageError(f"{file} is damaged: it is not JSON") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UsageError(f"{file} was written by another version of this suite: its format is not {FORMAT}")
    return Run(directory, header)


class Writer:
    """Writes a run. The run that a directory already holds must be the header's own: it is gone on with."""

    def __init__(self, directory: Path, header: dict[str, Any]) -> None:
        self.directory = directory
        with refusals(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(directory)
            try:
                _claim(directory, header)
            except UsageError:
                self._lock.close()
                raise
        self._units: list[Unit] = []
        numbers = [int(path.stem.removeprefix("part-")) for path in (directory / "scores").glob("part-*.parquet")]
        self._part = 1 + max(numbers, default=-1)
        scores = _frame(directory, "scores")
        self.done: set[Cell] = set() if scores.empty else set(zip(scores["net"], scores["image"], strict=True))

    def add(self, unit: Unit) -> None:
        self._units.append(unit)

    def flush(self) -> None:
        """Writes what was added; a kill at any point leaves either all of it or none."""
        if not self._units:
            return
        with refusals(self.directory):
            for table in WHOLE:
                self._extend(table)
            for table in PARTED:
                rows = [row for unit in self._units for row in unit.rows.get(table, [])]
                if rows or table == "scores":
                    _write(self.directory / table / f"part-{self._part:05}.parquet", _typed(table, rows))
        self._part += 1
        self.done |= {unit.cell for unit in self._units}
        self._units.clear()

    def close(self) -> None:
        self._lock.close()

    def _extend(self, table: str) -> None:
        """Adds rows to a small table, in place of those that a killed run left of the same cells."""
        new = _typed(table, [row for unit in self._units for row in unit.rows.get(table, [])])
        file = self.directory / f"{table}.parquet"
        if file.exists():
            old, cells = _read(file), {unit.cell for unit in self._units}
            kept = [cell not in cells for cell in zip(old["net"].to_pylist(), old["image"].to_pylist(), strict=True)]
            new = pa.concat_tables([old.filter(pa.array(kept, pa.bool_())), new])
        _write(file, new)


def _frame(directory: Path, name: str) -> pd.DataFrame:
    if name in WHOLE:
        files = [directory / f"{name}.parquet"]
    else:
        # A kill may leave curves whose scores were not written: such a part does not count.
        files = [directory / name / path.name for path in sorted((directory / "scores").glob("*.parquet"))]
    found = [_read(file) for file in files if file.exists()]
    return pa.concat_tables(found).to_pandas() if found else pd.DataFrame()


def _read(file: Path) -> pa.Table:
    try:
        return pq.read_table(file, schema=SCHEMAS[file.stem if file.stem in WHOLE else file.parent.name])
    except (pa.ArrowException, OSError) as error:
        whole = file.parent if file.stem in WHOLE else file.parent.parent / "scores" / file.name
        said = str(error).splitlines()[0]
        raise UsageError(f"{file} is damaged ({said}): remove {whole}, and the same command fills the gap") from None


def _typed(table: str, rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMAS[table])


def _write(file: Path, rows: pa.Table) -> None:
    file.parent.mkdir(exist_ok=True)
    partial = file.with_suffix(".partial")
    pq.write_table(rows, partial)
    partial.replace(file)


def _claim(directory: Path, header: dict[str, Any]) -> None:
    if (directory / "run.json").exists():
        _same(read(directory).header, header, directory)
    elif any(path.name != ".lock" for path in directory.iterdir()):
        raise UsageError(f"{directory} is not empty and holds no run: name another directory with --out")
    else:
        write_text(directory / "run.json", json.dumps(header, indent=1))


def _same(old: dict[str, Any], new: dict[str, Any], directory: Path) -> None:
    """The parts that fix the meaning of the numbers, and the device, whose seconds must not be mixed with another's."""
    for part in ("suite", "protocols", "methods", "metrics", "nets", "data", "environment"):
        before, now = _meaning(part, old), _meaning(part, new)
        for key in sorted({*before, *now}):
            if before.get(key) != now.get(key):
                raise UsageError(
                    f"{directory} holds another run: its {key} is {_brief(before.get(key))}, not "
                    f"{_brief(now.get(key))}; name another directory with --out, or remove that one"
                )


def _meaning(part: str, header: dict[str, Any]) -> dict[str, Any]:
    """What of a part of the header the numbers depend on: not the descriptions, nor most of the environment."""
    content: dict[str, Any] = header.get(part, {})
    if part == "environment":
        return {key: content.get(key) for key in ("device", "torch")}
    return {
        key: {name: value for name, value in one.items() if name != "description"} if isinstance(one, dict) else one
        for key, one in content.items()
        if key != "description"
    }


def _brief(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _locked(directory: Path) -> Any:
    lock = (directory / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UsageError(f"another run is writing to {directory}: wait for it, or name another with --out") from None
    return lock
