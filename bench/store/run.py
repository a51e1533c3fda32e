"""A run on disk: written part by part, resumed where it stopped, readable by pandas.

    run.json               the header: the suite, its protocols, the environment, fingerprints of weights and data
    scores/*.parquet       a row per (image, net, method, metric): the per-image value, or the reason why there is none
    curves/*.parquet       the curves of metrics that have one: shares and scores
    drift/*.parquet        the scores of the first images in fp32, if the run has another precision
    strips/*.parquet       the maps of metrics that compute a map at each point of their curve, for the first images
    maps/*.parquet         the maps as the methods returned them
    images/*.parquet       the images as JPEG at the size at which they are scored, for reports
    predictions/*.parquet  a row per (image, net): label, target, probability
    cost/*.parquet         a row per (image, net, method): seconds, and for the first image forwards and peak bytes
    failures/*.parquet     a row per (image, net) that failed, with the reason; ignored if a later attempt succeeded

A part has one file in each table, of the same name. It is complete once its scores exist, because they are written last.
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
from ..core.files import explain_os_errors
from ..core.formatting import format_count
from .header import Header, read_header
from .schema import NEEDED, SCHEMAS

Rows = list[dict[str, Any]]
NetImage = tuple[str, str]  # (net, image)


@dataclass
class Unit:
    """The rows of one image on one net, by table."""

    net_image: NetImage
    rows: dict[str, Rows] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run as it is stored: its header, and its tables as frames, which are empty if nothing is written yet."""

    directory: Path
    header: Header

    @property
    def name(self) -> str:
        return self.header.suite.name

    def __repr__(self) -> str:
        header = self.header
        counts = {
            "images": header.data.images,
            "nets": header.nets,
            "methods": header.methods,
            "metrics": header.metrics,
        }
        return f"<run {self.directory}: {', '.join(f'{len(names)} {word}' for word, names in counts.items())}>"

    def table(self, name: str, images: Collection[str] | None = None) -> pd.DataFrame:
        """Read a table by the name of its folder, for all images or for these."""
        parts = [_read(file, images) for file in _list_files(self.directory, name)]
        if not parts:
            return pd.DataFrame()
        rows = pa.concat_tables(parts).to_pandas()
        if name == "failures":
            succeeded = list_done(self.directory)
            rows = rows[[net_image not in succeeded for net_image in zip(rows["net"], rows["image"], strict=True)]]
        keys = [key for key in ("net", "image", "method", "metric", "share") if key in rows]
        return rows.drop_duplicates(
            keys, keep="last", ignore_index=True
        )  # an image that was computed again replaces the old one


def open_run(directory: Path | str) -> Run:
    """Open the run in a directory. Raise UsageError if there is none or this version cannot read it."""
    return Run(Path(directory), read_header(Path(directory)))


def list_done(directory: Path) -> set[NetImage]:
    """List the nets and images of complete parts, which need not be computed. Raise UsageError for a damaged part."""
    done: set[NetImage] = set()
    for file in _list_files(directory, "predictions"):
        needed = [directory / table / file.name for table in NEEDED]
        if all(path.exists() for path in needed):
            for path in needed:
                _check(path)
            rows = _read(file)
            done |= set(zip(rows["net"].to_pylist(), rows["image"].to_pylist(), strict=True))
    return done


def write(directory: Path, part: str, units: Sequence[Unit]) -> None:
    """Write a part, or replace the part of this name. If the process is killed, the part is either complete or ignored."""
    with explain_os_errors(directory):
        for table in SCHEMAS:
            rows = [row for unit in units for row in unit.rows.get(table, [])]
            if rows or table in NEEDED:
                _write(directory / table / f"part-{part}.parquet", pa.Table.from_pylist(rows, schema=SCHEMAS[table]))


def has_part(directory: Path, part: str) -> bool:
    """Tell whether a part is complete."""
    return (directory / "scores" / f"part-{part}.parquet").exists()


def remove_incomplete_parts(directory: Path) -> None:
    """Remove the files of incomplete parts, which a killed process left. No other process may be writing."""
    with explain_os_errors(directory):
        for table in SCHEMAS:
            for file in (directory / table).glob(".part-*.partial"):
                file.unlink()
            for file in (directory / table).glob("part-*.parquet"):
                if not (directory / "scores" / file.name).exists():
                    file.unlink()


def _list_files(directory: Path, table: str) -> Iterator[Path]:
    """List the files of a table in complete parts; other files in the folder are ignored."""
    names = sorted(path.name for path in (directory / "scores").glob("part-*.parquet"))
    return (file for name in names if (file := directory / table / name).exists())


def _check(file: Path) -> None:
    """Raise UsageError if a file of a table cannot be read."""
    try:
        if "image" not in pq.read_schema(file).names:
            raise pa.ArrowInvalid("it is another table")
    except (pa.ArrowException, OSError) as error:
        raise _make_damage_error(file, error) from None


def _read(file: Path, images: Collection[str] | None = None) -> pa.Table:
    _check(file)
    chosen = None if images is None else pc.field("image").isin(list(images))
    try:
        return pq.read_table(file, schema=SCHEMAS[file.parent.name], filters=chosen)
    except (pa.ArrowException, OSError) as error:
        raise _make_damage_error(file, error) from None


def _make_damage_error(file: Path, error: Exception) -> UsageError:
    reason, scores = str(error).splitlines()[0].rstrip("."), file.parent.parent / "scores" / file.name
    return UsageError(
        f"{file} is damaged ({reason}): remove {scores} and run the same command again to compute what is missing"
    )


def _write(file: Path, rows: pa.Table) -> None:
    """Write a file of a table completely or not at all."""
    file.parent.mkdir(exist_ok=True)
    partial = file.with_name(f".{file.stem}.partial")  # hidden from programs that read the folder
    with partial.open("wb") as stream:
        pq.write_table(rows, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(file)


def describe_failures(run: Run) -> str | None:
    """Describe how many images failed, on how many nets, with the first failure and its reason; None if none failed."""
    rows = run.table("failures")
    if not len(rows):
        return None
    first = rows.iloc[0]
    images, nets = rows["image"].nunique(), rows["net"].nunique()
    return (
        f"{format_count(images, 'image')} of {len(run.header.data.images)} failed on {format_count(nets, 'net')}, the first "
        f"{first['image']} on {first['net']}: {first['reason']}" + _describe_missing_costs(run, set(rows["image"]))
    )


def _describe_missing_costs(run: Run, failed: set[str]) -> str:
    """Describe what else is missing if the first image failed."""
    if run.header.data.images[0] not in failed:
        return ""
    return "; forwards and peak bytes, which are measured on the first image, are missing"
