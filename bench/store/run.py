"""A run on disk: written in parts as it goes, taken up again where it stopped, readable by pandas.

    run.json               the suite, its protocols, the environment, fingerprints of weights and data
    scores/*.parquet       a row per (image, net, method, metric): the per-image value, or the reason why there is none
    curves/*.parquet       insertion and deletion curves
    drift/*.parquet        the scores of a run's first images in fp32, where the run is in another precision
    strips/*.parquet       the maps behind a curve of maps, of a run's first images
    maps/*.parquet         the maps as the methods gave them
    images/*.parquet       small pictures of the images, for reports
    predictions/*.parquet  a row per (image, net): label, target, probability
    cost/*.parquet         a row per (image, net, method): seconds, and for the first image forwards and peak bytes
    failures/*.parquet     a row per (image, net) that failed, with the reason; those that went well later are not read

A part is complete when its scores are there: they are written last. What it holds of its tables is in files of one name.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..core.errors import UsageError
from ..core.files import refusals
from ..core.formatting import plural
from .header import header_of
from .schema import NEEDED, SCHEMAS

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

    def __repr__(self) -> str:
        held = {"images": self.header["data"]["images"]} | {
            key: self.header[key] for key in ("nets", "methods", "metrics")
        }
        return f"<run {self.directory}: {', '.join(f'{len(own)} {what}' for what, own in held.items())}>"

    def table(self, name: str, images: Collection[str] | None = None) -> pd.DataFrame:
        """One of the tables, by its folder's name; of all images, or of these."""
        found = [_read(file, images) for file in _files(self.directory, name)]
        if not found:
            return pd.DataFrame()
        rows = pa.concat_tables(found).to_pandas()
        if name == "failures":
            good = done(self.directory)
            rows = rows[[cell not in good for cell in zip(rows["net"], rows["image"], strict=True)]]
        keys = [key for key in ("net", "image", "method", "metric", "share") if key in rows]
        return rows.drop_duplicates(keys, keep="last", ignore_index=True)  # a cell computed again replaces what it was


def read(directory: Path | str) -> Run:
    """The run in a directory. Raises UsageError where there is none, or one that this version cannot read."""
    return Run(Path(directory), header_of(Path(directory)))


def done(directory: Path) -> set[Cell]:
    """The cells that need not be computed: their parts are complete. Raises UsageError for a part that is damaged."""
    cells: set[Cell] = set()
    for file in _files(directory, "predictions"):
        needed = [directory / table / file.name for table in NEEDED]
        if all(one.exists() for one in needed):
            for one in needed:
                _check(one)
            rows = _read(file)
            cells |= set(zip(rows["net"].to_pylist(), rows["image"].to_pylist(), strict=True))
    return cells


def write(directory: Path, part: str, units: Sequence[Unit]) -> None:
    """Writes a part, in place of one of its name; a kill at any point leaves either all of it or none that counts."""
    with refusals(directory):
        for table in SCHEMAS:
            rows = [row for unit in units for row in unit.rows.get(table, [])]
            if rows or table in NEEDED:
                _write(directory / table / f"part-{part}.parquet", pa.Table.from_pylist(rows, schema=SCHEMAS[table]))


def holds(directory: Path, part: str) -> bool:
    """Whether a part is complete."""
    return (directory / "scores" / f"part-{part}.parquet").exists()


def tidy(directory: Path) -> None:
    """Removes what a kill left of parts that are not complete; nobody may be writing."""
    with refusals(directory):
        for table in SCHEMAS:
            for file in (directory / table).glob(".part-*.partial"):
                file.unlink()
            for file in (directory / table).glob("part-*.parquet"):
                if not (directory / "scores" / file.name).exists():
                    file.unlink()


def _files(directory: Path, table: str) -> Iterator[Path]:
    """A table's files of the parts that are complete; other files in its folder are somebody's own."""
    names = sorted(path.name for path in (directory / "scores").glob("part-*.parquet"))
    return (file for name in names if (file := directory / table / name).exists())


def _check(file: Path) -> None:
    try:
        if "image" not in pq.read_schema(file).names:
            raise pa.ArrowInvalid("it is another table")
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from None


def _read(file: Path, images: Collection[str] | None = None) -> pa.Table:
    _check(file)
    chosen = None if images is None else pc.field("image").isin(list(images))
    try:
        return pq.read_table(file, schema=SCHEMAS[file.parent.name], filters=chosen)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, error: Exception) -> UsageError:
    said, scores = str(error).splitlines()[0].rstrip("."), file.parent.parent / "scores" / file.name
    return UsageError(f"{file} is damaged ({said}): remove {scores}, and the same command fills the gap")


def _write(file: Path, rows: pa.Table) -> None:
    file.parent.mkdir(exist_ok=True)
    partial = file.with_name(f".{file.stem}.partial")  # hidden, so that whoever reads the folder does not meet it
    with partial.open("wb") as opened:
        pq.write_table(rows, opened)
        opened.flush()
        os.fsync(opened.fileno())
    partial.replace(file)


def failures_sentence(run: Run) -> str | None:
    """How many images failed on how many nets, and the first of them with its reason; None where none did."""
    rows = run.table("failures")
    if not len(rows):
        return None
    first = rows.iloc[0]
    images, nets = rows["image"].nunique(), rows["net"].nunique()
    return (
        f"{plural(images, 'image')} of {len(run.header['data']['images'])} failed on {plural(nets, 'net')}, the first "
        f"{first['image']} on {first['net']}: {first['reason']}" + _uncounted(run, set(rows["image"]))
    )


def _uncounted(run: Run, failed: set[str]) -> str:
    """What else is missing where the first image failed."""
    if run.header["data"]["images"][0] not in failed:
        return ""
    return "; the work and the memory of methods are those of the run's first image, which is among them"
