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
    parts/*.json           the files of each part, see parts.py

What is read is checked here, once: the header by its types, each file by its hash, and its rows by their schema and by the
header (see checks.py). What reads a run can rely on that.
"""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ..core.errors import UsageError, find_close_names, list_known_names
from ..core.formatting import format_count
from .checks import find_damage
from .header import Header, read_header
from .parts import Identity, NetImage, Part, list_parts, read_identity
from .schema import NAMES, SCHEMAS
from .shipped import find_shipped, list_shipped

NAME = pa.dictionary(pa.int32(), pa.string())  # the type of a column of names
SHOWN = 3  # reasons why images failed
KEYS = ("net", "image", "method", "metric", "share")  # of a row, in its table


@dataclass(frozen=True)
class Run:
    """A run as it is stored: its header, and its tables as frames, which are empty if nothing is written yet."""

    directory: Path
    header: Header
    _checked: dict[Path, frozenset[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.header.suite.name

    @cached_property
    def identity(self) -> Identity | None:
        """What each part of the run has too; None for a run of an older version."""
        return read_identity(self.directory, self.header)

    def __repr__(self) -> str:
        counts = {word: len(self.header.names[word]) for word in ("image", "net", "method")}
        counts["metric"] = self.header.metric_count
        return f"<run {self.directory}: {', '.join(format_count(count, word) for word, count in counts.items())}>"

    def table(
        self, name: str, images: Collection[str] | None = None, *, columns: Sequence[str] | None = None,
        net: str | None = None,
    ) -> pd.DataFrame:  # fmt: skip
        """Read a table by the name of its folder: the rows of these images and this net, and these columns; without them, all.

        Columns of names (dataset, image, net, method, metric) are categorical, in the order of the header. Raise UsageError for
        a table that does not exist, and for a file that is missing or damaged.
        """
        if name not in SCHEMAS:
            raise UsageError(f"a run has no table {name!r}: {list_known_names(name, list(SCHEMAS))}")
        keys = [key for key in KEYS if key in SCHEMAS[name].names]
        chosen = list(columns or SCHEMAS[name].names)
        read = [*dict.fromkeys([*keys, *chosen])]
        empty = self._make_empty(name, read)
        chosen_images = None if images is None else pa.array(list(images), pa.string())
        parts = [self._read(part, name, read, net, chosen_images) for part in self._list_parts() if name in part.files]
        rows = pa.concat_tables([empty, *parts], promote_options="default").to_pandas()
        rows = rows.drop_duplicates(keys, keep="last", ignore_index=True)  # the last attempt to compute an image counts
        if name == "failures" and len(rows):
            done = self.list_done()
            failed = [pair not in done for pair in zip(rows["net"], rows["image"], strict=True)]
            rows = rows[np.array(failed, dtype=bool)]
        return rows[chosen].reset_index(drop=True)

    def list_image_hashes(self) -> dict[str, str]:
        """List the SHA-256 of the pixels of each image that was explained, by name."""
        rows = self.table("predictions", columns=["image", "sha256"])
        return dict(zip(rows["image"].astype(str), rows["sha256"], strict=True))

    def list_done(self) -> set[NetImage]:
        """List the nets and images that need not be computed: all methods are done or, in a race, any."""
        rows = self.table("predictions", columns=["net", "image"])
        done = set(zip(rows["net"], rows["image"], strict=True))
        return done if self.header.suite.race else done - self.list_begun().keys()

    def list_begun(self) -> dict[NetImage, frozenset[str]]:
        """List the nets and images on which only some methods are done, with these methods."""
        begun: dict[NetImage, frozenset[str]] = {}
        for net in self.header.nets:  # one by one, because all scores of a long run take much memory
            rows = self.table("scores", columns=["image", "method"], net=net).drop_duplicates()
            counts = rows.groupby("image", observed=True)["method"].transform("size")
            groups = rows[counts < len(self.header.methods)].groupby("image", observed=True)["method"]
            begun |= {(net, str(image)): frozenset(map(str, methods)) for image, methods in groups}
        return begun

    def check(self) -> None:
        """Check all files of the run. Raise UsageError for the first that is missing or damaged."""
        for part in self._list_parts():
            for table in part.files:
                self._check(part, table)

    def _list_parts(self) -> list[Part]:
        return list_parts(self.directory, self.identity)

    def _check(self, part: Part, table: str) -> pa.Table:
        """Check a file, note its nets, and return its rows."""
        rows = part.read(table)
        if damage := find_damage(table, rows, self.header, self._codes):
            raise part.make_damage_error(table, damage)
        nets = pc.unique(rows["net"]).to_pylist() if "net" in rows.column_names else ()
        self._checked[part.find_file(table)] = frozenset(nets)
        return rows

    def _read(
        self, part: Part, table: str, columns: Sequence[str], net: str | None, images: pa.Array | None
    ) -> pa.Table:
        """Read columns of a table in one part, on this net and for these images. The file is checked the first time."""
        nets = self._checked.get(part.find_file(table))
        if net is not None and nets is not None and net not in nets:
            return self._make_empty(table, columns)
        rows = self._check(part, table) if nets is None else part.read_columns(table, columns)
        rows = rows.select([column for column in columns if column in rows.column_names])
        if net is not None:
            rows = rows.filter(pc.equal(rows["net"], net))
        if images is not None:
            rows = rows.filter(pc.is_in(rows["image"], images))
        return self._encode_names(rows)

    def _make_empty(self, table: str, columns: Sequence[str]) -> pa.Table:
        fields = [SCHEMAS[table].field(column) for column in columns]
        return pa.schema(pa.field(f.name, NAME) if f.name in NAMES else f for f in fields).empty_table()

    def _encode_names(self, rows: pa.Table) -> pa.Table:
        """Encode the columns of names by the lists of the header, so that all parts have the same codes."""
        for column in set(NAMES) & set(rows.column_names):
            chunks = [self._encode(column, chunk) for chunk in rows[column].chunks]
            rows = rows.set_column(rows.column_names.index(column), column, pa.chunked_array(chunks, NAME))
        return rows

    def _encode(self, column: str, names: pa.DictionaryArray) -> pa.DictionaryArray:
        codes = np.array([self._codes[column][name] for name in names.dictionary.to_pylist()], dtype=np.int32)
        return pa.DictionaryArray.from_arrays(codes[names.indices.to_numpy()], self._names[column])

    @cached_property
    def _names(self) -> dict[str, pa.Array]:
        return {column: pa.array(names, pa.string()) for column, names in self.header.names.items()}

    @cached_property
    def _codes(self) -> dict[str, dict[str, int]]:
        return {column: {name: code for code, name in enumerate(names)} for column, names in self.header.names.items()}


def open_run(directory: Path | str) -> Run:
    """Open the run in a directory, or shipped results by their name. Raise UsageError for what cannot be read as a run."""
    found = find_shipped(directory) or Path(directory)
    if not os.path.lexists(found) and (close := find_close_names(str(directory), list_shipped(), 1)):
        raise UsageError(f"{directory} holds no run: did you mean {close[0]}, the results that ship with cambench?")
    return Run(found, read_header(found))


def describe_failures(run: Run) -> str | None:
    """Describe how many images failed, on how many nets, and why: each reason with its first image; None if none failed."""
    rows = run.table("failures")
    if not len(rows):
        return None
    images, nets = rows["image"].nunique(), rows["net"].nunique()
    return (
        f"{format_count(images, 'image')} of {len(run.header.data.images)} failed on {format_count(nets, 'net')}"
        + _describe_reasons(rows)
        + _describe_missing_costs(run, set(rows["image"]))
    )


def _describe_reasons(failures: pd.DataFrame) -> str:
    """Describe the most frequent reasons, with the first image of each; reasons that differ in the image's name are one."""
    first: dict[str, str] = {}
    images: dict[str, set[str]] = {}
    for image, net, reason in failures[["image", "net", "reason"]].itertuples(index=False):
        kind = re.sub(rf"(?<!\w){re.escape(image)}(?!\w)", "", reason)
        first.setdefault(kind, f"the first {image} on {net}: {reason}")
        images.setdefault(kind, set()).add(image)
    kinds = sorted(first, key=lambda kind: -len(images[kind]))
    if len(kinds) == 1:
        return f", {first[kinds[0]]}"
    others = format_count(len(kinds) - SHOWN, "other reason")
    more = f"; the rest for {others}" if len(kinds) > SHOWN else ""
    return (
        ": " + "; ".join(f"{format_count(len(images[kind]), 'image')}, {first[kind]}" for kind in kinds[:SHOWN]) + more
    )


def _describe_missing_costs(run: Run, failed: set[str]) -> str:
    """Describe what else is missing if the first image failed."""
    if run.header.data.images[0] not in failed:
        return ""
    return "; forwards and peak bytes, which are measured on the first image, are missing"
