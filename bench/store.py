"""A run on disk: written as it goes, taken up again where it stopped, readable by pandas.

    run.json              the suite, its protocols, the environment, fingerprints of weights and data
    scores/*.parquet      a row per (image, net, method, metric): the per-image value, or the reason why there is none
    curves/*.parquet      insertion and deletion curves
    drift/*.parquet       the scores of a run's first images in fp32, where the run is in another precision
    strips/*.parquet      the maps behind a curve of maps, of a run's first images
    maps/*.parquet        the maps as the methods gave them
    images/*.parquet      small pictures of the images, for reports
    predictions.parquet   a row per (image, net): label, target, probability
    cost.parquet          a row per (image, net, method): seconds, and for the first image forwards and peak bytes

A part is complete when its scores are there: they are written last.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .errors import UsageError
from .files import refusals
from .header import claim, header_of, locked
from .schema import PARTED, SCHEMAS, WHOLE

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

    def table(self, name: str, images: Collection[str] | None = None) -> pd.DataFrame:
        """One of the tables: scores, curves, drift, strips, maps, predictions, cost, images; of all images, or of these."""
        return _frame(self.directory, name, images)


def read(directory: Path | str) -> Run:
    """The run in a directory. Raises UsageError where there is none, or one that this version cannot read."""
    return Run(Path(directory), header_of(Path(directory)))


class Writer:
    """Writes a run. The run that a directory already holds must be the header's own: it is gone on with."""

    def __init__(self, directory: Path, header: dict[str, Any]) -> None:
        self.directory = directory
        with refusals(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = locked(directory)
            try:
                claim(directory, header)
            except UsageError:
                self._lock.close()
                raise
        self._units: list[Unit] = []
        self._part = 1 + max((int(path.stem[5:]) for path in _parts(directory)), default=-1)
        self.done = set.intersection(*(_cells(directory, table) for table in ("scores", *WHOLE)))

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


def _frame(directory: Path, name: str, images: Collection[str] | None = None) -> pd.DataFrame:
    # A kill may leave curves whose scores were not written: such a part does not count.
    parts = [directory / name / path.name for path in _parts(directory)]
    files = [directory / f"{name}.parquet"] if name in WHOLE else parts
    found = [_read(file, images) for file in files if file.exists()]
    if not found:
        return pd.DataFrame()
    rows = pa.concat_tables(found).to_pandas()
    keys = [key for key in ("net", "image", "method", "metric", "share") if key in rows]
    return rows.drop_duplicates(keys, keep="last", ignore_index=True)  # a cell computed again replaces what it was


def _parts(directory: Path) -> list[Path]:
    """The parts of a run, each by its file of scores; other files in the folder are somebody's own."""
    return sorted(path for path in (directory / "scores").glob("part-*.parquet") if path.stem[5:].isdecimal())


def _cells(directory: Path, table: str) -> set[Cell]:
    rows = _frame(directory, table)
    return set(zip(rows["net"], rows["image"], strict=True)) if len(rows) else set()


def _read(file: Path, images: Collection[str] | None = None) -> pa.Table:
    schema = SCHEMAS[file.stem if file.stem in WHOLE else file.parent.name]
    try:
        if "image" not in pq.read_schema(file).names:
            raise pa.ArrowInvalid("it is another table")
        chosen = None if images is None else pc.field("image").isin(list(images))
        return pq.read_table(file, schema=schema, filters=chosen)
    except (pa.ArrowException, OSError) as error:
        bad = file if file.stem in WHOLE else file.parent.parent / "scores" / file.name
        said = str(error).splitlines()[0].rstrip(".")
        raise UsageError(f"{file} is damaged ({said}): remove {bad}, and the same command fills the gap") from None


def _typed(table: str, rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMAS[table])


def _write(file: Path, rows: pa.Table) -> None:
    file.parent.mkdir(exist_ok=True)
    partial = file.with_suffix(".partial")
    pq.write_table(rows, partial)
    partial.replace(file)
