"""A run that was damaged is refused in one sentence, or what reads it is as if the run were whole: no damage is believed.

The header and the tables are damaged in every key and column: removed, of another type, null, infinite, shortened, exchanged.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cambench.bench.compare.baseline import format_baseline
from cambench.bench.compare.compare import compare_snapshots, load_snapshot
from cambench.bench.compare.export import format_json
from cambench.bench.core.errors import UsageError
from cambench.bench.show.postprocess import Postprocessing
from cambench.bench.show.run_pictures import RunPictures
from cambench.bench.store import run as store
from cambench.bench.store.header import read_header
from cambench.bench.store.schema import NAMES, SCHEMAS
from cambench.bench.store.writer import Writer
from cambench.reports import csv, html
from cambench.tests.support import runs
from cambench.tests.support.cli import refused
from cambench.tests.support.comparisons import edit_header

NETS = {"squeezenet1_1": "features", "vgg16": "features"}
TABLES = ("curves", "maps", "images", "predictions", "cost", "scores")
FILE = "part-00000.parquet"
# A run of an older version has no hashes: nothing tells that these columns had values.
UNNOTICED = {("cost", column, "null") for column in ("seconds", "forwards", "peak_bytes", "batch_seconds", "batch")}
UNNOTICED |= {("predictions", column, "null") for column in ("top2", "seconds", "predicted", "note")}
UNNOTICED |= {("predictions", column, "removed") for column in ("predicted", "note")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`older`, a run whose parts have no lists; `listed`, the same with lists; and `other`, another run of the same suite."""
    folder = tmp_path_factory.mktemp("damage")
    runs.write(folder / "older", images=2, nets=NETS)
    for name in ("listed", "other"):
        runs.seal(Path(shutil.copytree(folder / "older", folder / name)))
    return folder


@pytest.fixture
def listed(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder / "listed", tmp_path / "listed"))


def assert_refused(read: Callable[[], object], name: str) -> str:
    """Assert that reading is refused in one sentence that names a file, and return the sentence."""
    with pytest.raises(UsageError) as refusal:
        read()
    sentence = str(refusal.value)
    assert name in sentence and "\n" not in sentence
    return sentence


def find_refusal(read: Callable[[], object]) -> str | None:
    """The sentence with which reading is refused; None if it is not."""
    try:
        read()
    except UsageError as error:
        return str(error)
    return None


# The header


def list_keys(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """List the path of each key; of the first two elements of a list."""
    items = (
        content.items() if isinstance(content, dict) else enumerate(content[:2]) if isinstance(content, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from list_keys(value, (*path, key))


def change_key(content: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set a key; without a value, remove it."""
    for key in path[:-1]:
        content = content[key]
    if value is None:
        del content[path[-1]]
    else:
        content[path[-1]] = value


NESTED: list[Any] = []
for _ in range(200):
    NESTED = [NESTED]
VALUES = [None, 5, "5", [], {}, -1.5, float("inf"), 10**400, "\ud800", {"x": {"y": 5}}, NESTED]


def test_a_changed_header_is_refused(folder: Path, listed: Path) -> None:
    """Any key is removed, or has a value of another type. Also where a value is possible, it is not the one of the run."""
    whole = json.loads((listed / "run.json").read_text(encoding="utf-8"))
    paths = list(list_keys(whole))
    assert len(paths) > 200
    for index, path in enumerate(paths):
        for value in (None, VALUES[1 + index % (len(VALUES) - 1)]):
            content = json.loads(json.dumps(whole))
            change_key(content, path, value)
            (listed / "run.json").write_text(json.dumps(content), encoding="utf-8")
            if content != whole:
                assert_refused(lambda: store.open_run(listed).table("failures"), "run.json")


@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:9].encode("ascii", "replace").decode())
def test_a_header_of_another_shape_is_refused_or_read_as_it_is(folder: Path, tmp_path: Path, value: Any) -> None:
    """Without hashes, a header of possible types counts. What reads it gives a report or one sentence."""
    whole = json.loads((folder / "older" / "run.json").read_text(encoding="utf-8"))
    run = Path(shutil.copytree(folder / "older", tmp_path / "run"))
    for path in list_keys({key: whole[key] for key in ("suite", "metrics", "nets", "data")}):
        if path[0] == "suite" or path[1:2] == () or path[1] in ("insertion", "vgg16", "images", "settings", "version"):
            content = json.loads(json.dumps(whole))
            change_key(content, path, value)
            (run / "run.json").write_text(json.dumps(content), encoding="utf-8")
            refusal = find_refusal(lambda: store.open_run(run))
            if refusal is None:
                assert path[-1] not in ("better", "range", "layer", "nets") or value == "5"
            else:
                assert "run.json" in refusal and "\n" not in refusal


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h["metrics"]["insertion"].update(range=[1, 0]), "the range from 1.0 to 0.0 is empty"),
        (lambda h: h["metrics"]["insertion"].update(range=[0, 10**400]), "a number that is not finite or too large"),
        (lambda h: h["metrics"]["insertion"].update(slack=-1), "should be greater than or equal to 0"),
        (lambda h: h["metrics"].pop("insertion"), "protocols and metrics do not have the same keys"),
        (lambda h: h["data"]["images"].append("image 00"), "an image is listed twice"),
        (lambda h: h["data"].update(images=[]), "'data.images' List should have at least 1 item"),
        (lambda h: h.update(nets={}), "'nets' Dictionary should have at least 1 item"),
        (lambda h: h["methods"]["cam"].update(settings={"x": NESTED}), "nested too deeply"),
        (lambda h: h["protocols"]["insertion"].update(fit="folded"), "'fit' should be 'bilinear'"),
        (lambda h: h["suite"].update(description="a\x1b[2J"), r"it has a text with the control character '\x1b'"),
        (lambda h: h["environment"].update({"\x9b": ""}), r"it has a text with the control character '\x9b'"),
    ],
)
def test_a_header_that_cannot_be_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[Any], object], message: str
) -> None:
    run = Path(shutil.copytree(folder / "older", tmp_path / "run"))
    edit_header(run, change)
    assert message in assert_refused(lambda: Postprocessing.from_run(store.open_run(run)), "run.json")


def test_deep_nesting_of_any_depth_is_refused(listed: Path) -> None:
    (listed / "run.json").write_text("[" * 100_000 + "]" * 100_000, encoding="utf-8")
    assert "nested too deeply" in assert_refused(lambda: store.open_run(listed), "run.json")


# The tables


def list_damages(table: str) -> Iterator[tuple[str, str]]:
    """List each column of a table with each kind of damage that it can have."""
    for field in SCHEMAS[table]:
        kinds = ["removed", "retyped", "null"]
        kinds += ["unknown"] if field.name in NAMES else []
        kinds += ["infinite"] if pa.types.is_floating(field.type) else []
        kinds += ["infinite", "shortened"] if pa.types.is_list(field.type) else []
        kinds += ["negative"] if pa.types.is_integer(field.type) and field.name != "version" else []
        yield from ((field.name, kind) for kind in kinds)


def damage_column(rows: pa.Table, column: str, kind: str) -> pa.Table:
    """Damage a column of a table."""
    index, type_, values = rows.column_names.index(column), rows.schema.field(column).type, rows[column].to_pylist()
    if kind == "removed":
        return rows.remove_column(index)
    if kind == "retyped":
        type_, values = pa.int32(), [1] * len(values)
    elif kind == "null":
        values = [None] * len(values)
    elif kind == "unknown":
        values[0] = "lime"
    elif kind == "negative":
        values[0] = -1
    elif kind == "shortened":
        values[0] = values[0][1:]
    elif kind == "infinite":
        values[0] = [inf, *values[0][1:]] if pa.types.is_list(type_) else inf
    return rows.set_column(index, pa.field(column, type_), pa.array(values, type_))


@pytest.mark.parametrize("table", TABLES)
def test_a_damaged_column_is_refused(folder: Path, tmp_path: Path, table: str) -> None:
    rows = pq.read_table(folder / "older" / table / FILE)
    run = Path(shutil.copytree(folder / "older", tmp_path / "run"))
    unnoticed = set()
    for column, kind in list_damages(table):
        pq.write_table(damage_column(rows, column, kind), run / table / FILE)
        refusal = find_refusal(lambda: store.open_run(run).table(table))
        if refusal is None:
            unnoticed.add((table, column, kind))
        else:
            assert f"{table}/{FILE} is damaged (" in refusal and "\n" not in refusal
    unused = {("scores", column, kind) for column in ("label", "target") for kind in ("null", "negative")}
    assert unnoticed - unused == {case for case in UNNOTICED if case[0] == table}


@pytest.mark.parametrize("table", TABLES)
def test_a_file_that_was_changed_at_all_is_refused(listed: Path, table: str) -> None:
    rows = pq.read_table(listed / table / FILE)
    content = (listed / table / FILE).read_bytes()
    for damage in list_damages(table):
        pq.write_table(damage_column(rows, *damage), listed / table / FILE)
        if (listed / table / FILE).read_bytes() != content:
            assert_refused(
                lambda: store.open_run(listed).table(table), f"{table}/{FILE} is damaged (it is not the file"
            )
    for changed in (content[:-1], b"", content[:99] + bytes([content[99] ^ 1]) + content[100:]):
        (listed / table / FILE).write_bytes(changed)
        assert_refused(lambda: store.open_run(listed).table(table), f"{table}/{FILE} is damaged (it is not the file")
    (listed / table / FILE).unlink()
    assert_refused(
        lambda: store.open_run(listed).table(table), f"{table}/{FILE} is missing: run the same command again"
    )


@pytest.mark.parametrize("message", ["no such type: \x0f\nat 5.", ""])
def test_a_message_of_the_reader_of_parquet_is_one_line(
    listed: Path, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """It may have bytes of the file."""

    def fail(*_: object, **__: object) -> None:
        raise pa.ArrowInvalid(message)

    monkeypatch.setattr(pq, "ParquetFile", fail)
    assert assert_refused(lambda: store.open_run(listed).table("cost"), "is damaged (").isprintable()


def test_a_part_of_another_run_is_refused(folder: Path, listed: Path) -> None:
    """One file of it, and all of it with its list."""
    other = folder / "other"
    shutil.copy(other / "parts" / "part-00000.json", listed / "parts" / "part-00001.json")
    for table in TABLES:
        shutil.copy(other / table / FILE, listed / table / "part-00001.parquet")
    sentence = assert_refused(lambda: html.render(store.open_run(listed)), "parts/part-00001.json")
    assert "(it belongs to another run): remove" in sentence
    assert "belongs to another run" in refused("baseline", listed, "--out", listed / "x")


def test_a_list_that_is_damaged_is_refused(listed: Path) -> None:
    list_ = listed / "parts" / "part-00000.json"
    content = json.loads(list_.read_text(encoding="utf-8"))
    damaged: list[Any] = [
        {},
        [],
        content | {"files": {}},
        content | {"files": 5},
        content | {"x": 1},
        content | {"run": 5},
    ]
    for changed in damaged:
        list_.write_text(json.dumps(changed), encoding="utf-8")
        assert_refused(lambda: csv.render(store.open_run(listed)), "parts/part-00000.json is damaged")
    list_.write_bytes(b"\xff")
    assert_refused(lambda: csv.render(store.open_run(listed)), "parts/part-00000.json is damaged")


def test_a_header_that_lost_its_identity_is_refused(listed: Path) -> None:
    edit_header(listed, lambda header: header.pop("id"))
    assert "it has no 'id'" in assert_refused(lambda: csv.render(store.open_run(listed)), "run.json")


def test_a_class_that_is_not_the_nets_is_refused(folder: Path, tmp_path: Path) -> None:
    """Labels and targets have the names that the header gives them."""
    run = Path(shutil.copytree(folder / "older", tmp_path / "run"))
    for column, value in (("target", 0), ("label", 1), ("target_name", "star"), ("target", 99)):
        predictions = store.open_run(folder / "older").table("predictions")
        runs.rewrite(run, "predictions", predictions.assign(**{column: value}))
        assert_refused(lambda: store.open_run(run).table("predictions"), "is not the class")
    runs.rewrite(run, "predictions", predictions.assign(predicted=99))
    assert_refused(lambda: store.open_run(run).table("predictions"), "the predicted class 99 is none of")


def test_a_text_that_a_terminal_would_obey_is_refused(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "older", tmp_path / "run"))
    scores = store.open_run(folder / "older").table("scores")
    runs.rewrite(run, "scores", scores.assign(protocol="a\tb\nc"))
    store.open_run(run).table("scores")
    runs.rewrite(run, "scores", scores.assign(protocol="a\x1b[2J"))
    assert_refused(lambda: store.open_run(run).table("scores"), "its column 'protocol' has a control character")


def test_a_picture_that_is_no_jpeg_is_refused(folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "older", tmp_path / "run"))
    images = store.open_run(run).table("images")
    for jpeg in (b"", b"GIF89a", images["jpeg"][0][:300]):
        runs.rewrite(run, "images", images.assign(jpeg=[jpeg] * len(images)))
        assert_refused(lambda: RunPictures(store.open_run(run)).read_image("image 00"), "images is damaged: image 00")


# What reads a run


def read_baseline_text(run: Path, _: Path) -> str:
    return format_baseline(load_snapshot(run))


def compare(run: Path, whole: Path) -> str:
    return format_json(compare_snapshots(load_snapshot(whole), load_snapshot(run))).replace(str(run), str(whole))


def resume(run: Path, whole: Path) -> set[tuple[str, str]]:
    writer = Writer(run, read_header(whole))
    writer.close()
    return writer.done


READERS: dict[str, Callable[[Path, Path], object]] = {
    "csv": lambda run, _: csv.render(store.open_run(run)),
    "page": lambda run, _: html.render(store.open_run(run)),
    "baseline": read_baseline_text,
    "compare": compare,
    "resume": resume,
}
READ = {  # by reader: the tables without which it says nothing
    "csv": {"scores", "cost", "predictions"}, "page": set(TABLES), "baseline": {"scores", "cost", "predictions"},
    "compare": {"scores", "cost", "predictions"}, "resume": set(TABLES),
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["older", "listed"])
def test_no_reader_believes_a_damaged_table(folder: Path, tmp_path: Path, reader: str, kind: str) -> None:
    read, whole = READERS[reader], folder / kind
    run = tmp_path / kind
    shutil.copytree(whole, run)
    expected = read(run, whole)
    for table in TABLES:
        content = (run / table / FILE).read_bytes()
        pq.write_table(damage_column(pq.read_table(run / table / FILE), "image", "unknown"), run / table / FILE)
        if table in READ[reader]:
            assert_refused(lambda: read(run, whole), f"{table}/{FILE} is damaged")
        else:
            assert read(run, whole) == expected
        (run / table / FILE).write_bytes(content)


@pytest.mark.parametrize("kind", ["older", "listed"])
def test_a_removed_table_is_computed_again(folder: Path, tmp_path: Path, kind: str) -> None:
    run = Path(shutil.copytree(folder / kind, tmp_path / kind))
    (run / "predictions" / FILE).unlink()
    for reader in ("csv", "page", "baseline", "compare"):
        read = partial(READERS[reader], run, folder / kind)
        assert_refused(read, f"predictions/{FILE} is missing")
    assert resume(run, folder / kind) == set()
    assert not list(run.rglob("part-*"))
