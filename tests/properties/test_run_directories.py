"""A run directory that was damaged in any way is refused in one sentence, or read as if it were whole or not yet finished.

Nothing in it is lost by reading or resuming it.
"""

import json
import shutil
from collections.abc import Iterator
from itertools import combinations, cycle
from math import inf, nan
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from cambench.bench.store.header import read_header
from cambench.bench.store.run import open_run
from cambench.bench.store.writer import Writer
from cambench.tests.support import runs
from cambench.tests.support.comparisons import edit_header
from cambench.tests.support.properties import (
    assert_orderly,
    hash_files,
    hold,
    numbers,
    read_refusal,
    texts,
    times,
    values,
)

NETS = {"squeezenet1_1": "features"}
PARTS = ("part-00000", "part-00001")  # half of the images each
RACED_BY = ("insertion", "energy")
Readers = dict[str, list[str]]
READERS: Readers = {
    "csv": ["report", "RUN", "--csv"],
    "markdown": ["report", "RUN", "--markdown"],
    "latex": ["report", "RUN", "--latex"],
    "baseline": ["baseline", "RUN", "--out", "OUT"],
    "compare": ["compare", "WHOLE", "RUN", "--json", "-"],
    "junit": ["compare", "RUN", "WHOLE", "--junit", "-"],
    "history": ["history", "WHOLE", "RUN", "--csv", "-"],
}
RACE_READERS = {name: READERS[name] for name in ("csv", "markdown", "latex", "junit")}
PAGE = {"page": ["report", "RUN", "--out", "OUT"]}  # takes seconds


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two parts: `older`, without lists; `listed`, the same with lists; `other`, another run of the same suite.

    Also races, in which two methods have dropped out: `older-race`, `race` with lists, and `other-race`.
    """
    folder = tmp_path_factory.mktemp("runs")
    make_run(folder / "older", images=2)
    make_race(folder / "older-race")
    for name, source in SOURCES.items():
        runs.seal(Path(shutil.copytree(folder / source, folder / name)))
    return folder


SOURCES = {"listed": "older", "other": "older", "race": "older-race", "other-race": "older-race"}


def make_run(directory: Path, images: int) -> None:
    """Write a run of which each part has half of the images."""
    runs.write(directory, images=images, nets=NETS)
    run = open_run(directory)
    tables = {table: run.table(table) for table in runs.TABLES}
    later = run.header.data.images[images // 2 :]
    for table, rows in tables.items():
        for part, (_, own) in enumerate(rows.groupby(rows["image"].isin(later), observed=True) if len(rows) else ()):
            runs.rewrite(directory, table, own, part)


def make_race(directory: Path) -> None:
    """Write a race by two metrics: an expensive method is scored on the first image alone, and another has dropped out."""
    make_run(directory, images=16)
    edit_header(directory, lambda header: header["suite"].update(race={"confidence": 0.1, "slack": 0.02}))
    for key in ("metrics", "protocols"):
        edit_header(directory, lambda header: header.update({key: {by: header[key][by] for by in RACED_BY}}))  # noqa: B023
    for file in directory.rglob("part-*.parquet"):
        rows = pq.read_table(file).to_pandas()
        if "metric" in rows:
            rows = rows[rows["metric"].isin(RACED_BY)]
        if "method" in rows:
            rows = rows[(rows["method"] != "score_cam") | (rows["image"] == "image 00")]
            rows = rows[(rows["method"] != "grad_cam") | (file.stem == PARTS[0])]
        if "value" in rows:
            rows["value"] = rows["value"].mask(rows["method"] == "grad_cam", 0.1)
        runs.rewrite(directory, file.parent.name, rows, PARTS.index(file.stem))


def read(reader: list[str], run: Path, whole: Path, out: Path) -> tuple[int, str]:
    """The exit code and the text of a reader, without the names of the directories."""
    out.unlink(missing_ok=True)
    named = {"RUN": run, "WHOLE": whole, "OUT": out}
    result = assert_orderly(*(named.get(word, word) for word in reader))
    text = out.read_text(encoding="utf-8") if out.exists() else result.stdout
    return result.exit_code, text.replace(str(run), "RUN").replace(str(whole), "RUN")


# Damages


def list_keys(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = (
        content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from list_keys(value, (*path, key))


def damage_header(data: DataObject, run: Path, other: Path) -> None:
    """Remove a key, or give it another value."""
    content = json.loads((other / "run.json").read_text(encoding="utf-8"))
    *path, last = data.draw(st.sampled_from(list(list_keys(content))))
    part = content
    for key in path:
        part = part[key]
    if data.draw(st.booleans()):
        part[last] = data.draw(values)
    else:
        del part[last]
    if not (run / "run.json").is_dir():
        (run / "run.json").write_text(json.dumps(content), encoding="utf-8")


def damage_column(data: DataObject, run: Path, other: Path) -> None:
    """Remove a column of a table, or rename it, or give it another type, or one of its rows another value."""
    file = data.draw(st.sampled_from(sorted(other.rglob("*.parquet")))).relative_to(other)
    rows = pq.read_table(other / file)
    name = data.draw(st.sampled_from(rows.column_names))
    index, column = rows.column_names.index(name), rows[name].to_pylist()
    kind = data.draw(st.sampled_from(["removed", "renamed", "retyped", "changed", "rows"]))
    if kind == "removed":
        rows = rows.remove_column(index)
    elif kind == "renamed":
        new = data.draw(texts).encode(errors="replace").decode()  # no column has a name that is not UTF-8
        rows = rows.rename_columns([new if key == name else key for key in rows.column_names])
    elif kind == "rows":
        rows = rows.take(pa.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=3)), pa.int64()))
    else:
        cells = data.draw(st.sampled_from([texts, numbers, st.binary(), st.booleans(), st.none(), st.lists(numbers)]))
        column[data.draw(st.integers(0, len(column) - 1))] = data.draw(cells)
        if kind == "retyped":
            column = [data.draw(cells)] * len(column)
        type_ = rows.schema.field(name).type if kind == "changed" else None
        try:
            rows = rows.set_column(index, name, pa.array(column, type_))
        except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError):
            rows = rows.remove_column(index)
    if not (run / file).is_dir():
        write_table(rows, run / file)


def write_table(rows: pa.Table, file: Path) -> None:
    try:
        pq.write_table(rows, file)
    except (pa.ArrowException, UnicodeEncodeError):  # a type or a name that no file holds
        file.write_bytes(b"PAR1")


def change_value(data: DataObject, run: Path, other: Path) -> None:
    """Give a score another value that is possible."""
    file = data.draw(st.sampled_from(sorted((other / "scores").iterdir()))).relative_to(other)
    rows = pq.read_table(other / file)
    known = [number for number, reason in enumerate(rows["reason"].to_pylist()) if reason is None]
    column = rows["value"].to_pylist()
    column[data.draw(st.sampled_from(known))] = data.draw(st.floats(0, 1))
    if not (run / file).is_dir():
        write_table(
            rows.set_column(rows.column_names.index("value"), "value", pa.array(column, pa.float64())), run / file
        )


def damage_bytes(data: DataObject, run: Path, other: Path) -> None:
    """Cut a file, or change a byte, or append to it, or remove it, or put a folder in its place."""
    file = run / data.draw(st.sampled_from(sorted(hash_files(other))))
    content = (other / file.relative_to(run)).read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["cut", "changed", "appended", "removed", "folder"]))
    if file.is_dir():
        return
    file.unlink(missing_ok=True)
    file.parent.mkdir(exist_ok=True)
    if kind == "folder":
        file.mkdir()
    elif kind != "removed":
        changed = content[:at] + bytes([content[at] ^ (1 + at % 255)]) + content[at + 1 :]
        file.write_bytes({"cut": content[:at], "changed": changed, "appended": content + b"{}"}[kind])


def swap(data: DataObject, run: Path, other: Path) -> None:
    """Replace a file by one of another run, or by another of the same run, or copy it to another name."""
    names = st.sampled_from(sorted(hash_files(other)))
    target = data.draw(names | st.just("parts/part-00002.json") | st.just("scores/part-00002.parquet"))
    if not (run / target).is_dir():
        (run / target).parent.mkdir(exist_ok=True)
        shutil.copyfile(other / data.draw(names), run / target)


DAMAGES = (damage_header, damage_column, change_value, damage_bytes, swap)


def damage(data: DataObject, folder: Path, run: Path) -> None:
    """Damage a run once or twice."""
    for _ in range(data.draw(st.integers(1, 2))):
        other = folder / (run.name if data.draw(st.booleans()) else "other-race" if "race" in run.name else "other")
        data.draw(st.sampled_from(DAMAGES))(data, run, other)


def copy_run(whole: Path, run: Path) -> Path:
    shutil.rmtree(run, ignore_errors=True)
    return Path(shutil.copytree(whole, run))


# What holds


def list_truths(whole: Path, run: Path, reader: list[str]) -> Iterator[tuple[int, str]]:
    """What a reader gives of the whole run, and of the run before some of its parts were written."""
    for count in range(len(PARTS) + 1):
        for missing in combinations(PARTS, count):
            copy_run(whole, run)
            for part in missing:
                (run / "parts" / f"{part}.json").unlink()
            yield read(reader, run, whole, run.with_name("out"))


@times
@pytest.mark.parametrize(("kind", "readers", "examples"), [("listed", READERS, 24), ("race", RACE_READERS, 8)])
def test_no_reader_believes_a_damaged_run(
    folder: Path, tmp_path: Path, kind: str, readers: Readers, examples: int, times: int
) -> None:
    """What is read of it is what is read of the whole run, or of the run before some of its parts were written."""
    readers = readers | (PAGE if times > 1 else {})
    whole, run = folder / kind, tmp_path / kind
    truths = {name: set(list_truths(whole, run, reader)) for name, reader in readers.items()}

    def check(data: DataObject, name: str) -> None:
        copy_run(whole, run)
        damage(data, folder, run)
        before = hash_files(run)
        code, text = read(readers[name], run, whole, tmp_path / "out")
        assert code == 2 or (code, text) in truths[name]
        assert hash_files(run) == before

    hold(check, st.data(), st.sampled_from(sorted(readers)), examples=examples * times)


@times
@pytest.mark.parametrize(("kind", "readers", "examples"), [("older", READERS, 24), ("older-race", RACE_READERS, 8)])
def test_any_run_of_an_older_version_is_read_or_refused(
    folder: Path, tmp_path: Path, kind: str, readers: Readers, examples: int, times: int
) -> None:
    """Such a run has no hashes, so that a value that is possible is believed."""
    readers = readers | (PAGE if times > 1 else {})
    whole, run = folder / kind, tmp_path / kind

    def check(data: DataObject, name: str) -> None:
        copy_run(whole, run)
        damage(data, folder, run)
        before = hash_files(run)
        read(readers[name], run, whole, tmp_path / "out")
        assert hash_files(run) == before

    hold(check, st.data(), st.sampled_from(sorted(readers)), examples=examples * times)


REMOVED = object()
RACE_VALUES = [
    REMOVED,
    None,
    "95%",
    "",
    [],
    {},
    [0.5],
    {"confidence": 0.5},
    True,
    -1,
    0,
    1,
    2**70,
    inf,
    -inf,
    nan,
    1e-300,
]


@pytest.mark.parametrize("path", [("race",), ("race", "confidence"), ("race", "slack"), ("race", "x")])
def test_a_damaged_race_of_a_header_is_refused_or_read(folder: Path, tmp_path: Path, path: tuple[str, ...]) -> None:
    """Each field is removed, null, infinite or of another type. A run with lists is refused, so that no number differs."""
    whole = json.loads((folder / "race" / "run.json").read_text(encoding="utf-8"))
    listed, older = (copy_run(folder / name, tmp_path / name) for name in ("race", "older-race"))
    readers = cycle(RACE_READERS.values())
    for value in RACE_VALUES:
        content = json.loads(json.dumps(whole))
        change_key(content["suite"], path, value)
        (listed / "run.json").write_text(json.dumps(content), encoding="utf-8")
        assert (content == whole) == (read_refusal(lambda: open_run(listed).check()) is None)
        content.pop("id")
        (older / "run.json").write_text(json.dumps(content), encoding="utf-8")
        before = hash_files(older)
        read(next(readers), older, folder / "older-race", tmp_path / "out")
        assert hash_files(older) == before


def change_key(content: Any, path: tuple[str, ...], value: object) -> None:
    """Set a key, or remove it."""
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value
    if value is REMOVED:
        del content[path[-1]]


def list_whole_parts(run: Path) -> dict[str, str]:
    """The hashes of the files of the parts whose files are all there."""
    files = hash_files(run)
    parts = {part for part in PARTS if all(f"{table}/{part}.parquet" in files for table in whole_tables(run))}
    return {file: digest for file, digest in files.items() if Path(file).stem in parts}


def whole_tables(run: Path) -> list[str]:
    return [table for table in runs.TABLES if (run / table).exists()]


@times
@pytest.mark.parametrize("name", ["listed", "older", "race"])
def test_resuming_a_damaged_run_loses_nothing(folder: Path, tmp_path: Path, name: str, times: int) -> None:
    """Parts that are whole stay as they are, and what counts as done is as it was."""
    whole, run = folder / name, tmp_path / name
    header, rows = read_header(whole), open_run(whole).table("scores")

    def check(data: DataObject) -> None:
        copy_run(whole, run)
        damage(data, folder, run)
        before = list_whole_parts(run) if name != "older" else {}

        def resume() -> None:
            writer = Writer(run, header)
            writer.close()
            done = {image for _, image in writer.done}
            if name != "older":
                expected = rows[rows["image"].isin(done)].reset_index(drop=True)
                assert open_run(run).table("scores").equals(expected)

        refusal = read_refusal(resume)
        after = hash_files(run)
        lost = [file for file, digest in before.items() if after.get(file) != digest]
        assert not lost or refusal is None
        assert not lost or not any(f"parts/{Path(file).stem}.json" in after for file in lost)

    hold(check, st.data(), examples=16 * times)


@times
def test_no_comparison_believes_a_damaged_baseline(folder: Path, tmp_path: Path, times: int) -> None:
    whole, file = folder / "listed", tmp_path / "run.baseline"
    assert_orderly("baseline", whole, "--out", file)
    text = file.read_bytes()
    compare = ["compare", "RUN", "WHOLE", "--json", "-"]
    expected = read(compare, file, whole, tmp_path / "out")

    def check(at: int, length: int, content: bytes) -> None:
        file.write_bytes(text[:at] + content + text[at + length :])
        code, shown = read(compare, file, whole, tmp_path / "out")
        assert code == 2 or (code, shown) == expected

    hold(check, st.integers(0, len(text)), st.integers(0, 40), st.binary(max_size=3), examples=16 * times)
