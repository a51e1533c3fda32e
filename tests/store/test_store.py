"""A run on disk: complete parts, resumption, and the refusal of other runs."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cambench.bench.core.errors import Fatal, UsageError
from cambench.bench.store import parts
from cambench.bench.store import run as store
from cambench.bench.store.header import FORMAT, Header, read_header
from cambench.bench.store.parts import Unit
from cambench.bench.store.writer import MAX_HELD, Writer

KEPT_RUN = Path(__file__).parents[1] / "data" / "scenes"
SUITE: dict[str, Any] = {
    "name": "try", "dataset": "scenes", "images": 2, "seed": 0, "target": None, "precision": "fp32", "device": "cpu",
    "nets": ["a"], "methods": ["m"],
}  # fmt: skip
METHOD: dict[str, Any] = {"description": "A method.", "version": 1, "settings": {}, "control": False}
METRIC: dict[str, Any] = {
    "better": "higher", "unit": "share", "range": [0.0, 1.0], "short": "insert", "description": "A metric.", "version": 1,
    "settings": {},
}  # fmt: skip
CONTENT: dict[str, Any] = {
    "format": FORMAT,
    "suite": SUITE,
    "protocols": {"insertion": {"steps": 28}},
    "methods": {"m": METHOD},
    "metrics": {"insertion": METRIC},
    "environment": {},
    "nets": {net: {"layer": "layer4", "classes": ["ring"], "fingerprint": "1"} for net in "ab"},
    "data": {"settings": {}, "version": 1, "classes": [], "images": ["x", "y", "z"], "fingerprint": "2"},
}
HEADER = Header.model_validate(CONTENT)


def unit(net: str, image: str, value: float) -> Unit:
    key = {"dataset": "scenes", "net": net, "image": image}
    method = key | {"layer": "layer4", "method": "m"}
    score = method | {"metric": "insertion", "protocol": "default", "version": 1, "target": 0, "value": value}
    prediction = {"target": 0, "target_name": "ring", "probability": 0.5, "objects": 0, "sha256": "0"}
    return Unit(
        (net, image),
        {
            "scores": [score | {"constant_map": False, "nan_map": False}],
            "curves": [method | {"metric": "insertion", "shares": [0.0, 1.0], "scores": [value, value]}],
            "cost": [method | {"seconds": value}],
            "predictions": [key | prediction],
        },
    )


def part(directory: Path, number: int = 0, table: str = "parts") -> Path:
    """The list of one part of a run, or its file in a table; parts are numbered in the order in which they were written."""
    return sorted((directory / table).glob("part-*.*"))[number]


def write(directory: Path, *units: Unit) -> None:
    writer = Writer(directory, HEADER)
    for unit in units:
        writer.add([unit])
    writer.flush()
    writer.close()


def test_written_units_are_read(tmp_path: Path) -> None:
    write(tmp_path / "run", unit("a", "x", 0.25), unit("a", "y", 0.5))
    run = store.open_run(tmp_path / "run")
    assert run.table("scores")["value"].tolist() == [0.25, 0.5]
    assert [list(curve) for curve in run.table("curves")["scores"]] == [[0.25, 0.25], [0.5, 0.5]]
    assert pd.read_parquet(tmp_path / "run" / "scores")["image"].tolist() == ["x", "y"]
    assert pd.read_parquet(tmp_path / "run" / "cost")["seconds"].tolist() == [0.25, 0.5]
    assert run.table("maps").empty


def test_a_writer_resumes_a_run(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    writer = Writer(tmp_path, HEADER)
    assert writer.done == {("a", "x")}
    writer.add([unit("a", "y", 0.5)])
    writer.flush()
    writer.close()
    assert store.open_run(tmp_path).table("scores")["value"].tolist() == [0.25, 0.5]


def test_a_part_without_its_list_is_ignored_and_removed(tmp_path: Path) -> None:
    """A kill before the list is written leaves rows of cells that are not done; the next run removes them."""
    write(tmp_path, unit("a", "x", 0.25), unit("a", "y", 0.5))
    part(tmp_path).unlink()
    (tmp_path / "curves" / ".part-9.partial").write_bytes(b"half")
    assert store.open_run(tmp_path).table("curves").empty
    write(tmp_path, unit("a", "x", 0.75))
    run = store.open_run(tmp_path)
    assert run.table("scores")["value"].tolist() == [0.75]
    assert [list(curve) for curve in run.table("curves")["scores"]] == [[0.75, 0.75]]
    assert pd.read_parquet(tmp_path / "cost")["seconds"].tolist() == [0.75]
    assert len(list((tmp_path / "curves").iterdir())) == 1


def test_a_run_of_another_suite_is_refused(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    other = Header.model_validate(CONTENT | {"suite": SUITE | {"images": 3}})
    with pytest.raises(UsageError, match=r"holds another run: its images is 2, not 3; name another directory"):
        Writer(tmp_path, other)
    assert store.open_run(tmp_path).table("scores")["value"].tolist() == [0.25]


def test_a_run_that_has_written_nothing_gives_way_to_another(tmp_path: Path) -> None:
    other = Header.model_validate(CONTENT | {"suite": SUITE | {"images": 3}})
    for header in (HEADER, other):  # as after an error in a plug-in on the first image
        writer = Writer(tmp_path, header)
        writer.flush()
        writer.close()
    assert store.open_run(tmp_path).header.suite.images == 3


def test_a_foreign_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty and holds no run"):
        Writer(tmp_path, HEADER)
    assert {path.name for path in tmp_path.iterdir()} <= {"thesis.tex", ".lock"}


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    first = Writer(tmp_path, HEADER)
    with pytest.raises(UsageError, match="another run is writing"):
        Writer(tmp_path, HEADER)
    first.close()
    Writer(tmp_path, HEADER).close()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_cannot_start_releases_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(parts, "remove_incomplete_parts", fail)
        with pytest.raises(error) as _kept:  # a reference to the frame, which keeps the lock from being collected
            Writer(tmp_path, HEADER)
    Writer(tmp_path, HEADER).close()


def test_a_header_that_a_kill_left_half_written_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "run.json.partial").write_text('{"form', encoding="utf-8")
    write(tmp_path, unit("a", "x", 0.25))
    assert store.open_run(tmp_path).table("scores")["value"].tolist() == [0.25]


def test_the_time_of_a_run_is_that_of_its_first_part(tmp_path: Path) -> None:
    for number, name in enumerate(("b", "a")):
        write(tmp_path / name, unit("a", "x", 0.25))
        os.utime(tmp_path / name / "run.json", (10.0 - number, 10.0 - number))  # as a copy may leave it
    assert parts.find_time(tmp_path / "b") < parts.find_time(tmp_path / "a")
    (tmp_path / "x.baseline").touch()
    assert parts.find_time(tmp_path / "x.baseline") > parts.find_time(tmp_path / "a")


def test_a_full_disk_is_reported_and_the_run_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    writer = Writer(tmp_path, HEADER)
    writer.add([unit("a", "y", 0.5)])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(Fatal, match="the disk is full; what was written before is kept"):
        writer.flush()
    writer.close()
    assert store.open_run(tmp_path).table("scores")["value"].tolist() == [0.25]


def test_a_part_is_written_in_the_background_and_again_if_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, threads, original = Writer(tmp_path, HEADER), list[str](), parts.write

    def write_second_time(*arguments: Any) -> None:
        threads.append(threading.current_thread().name)
        if len(threads) == 1:
            raise Fatal("the disk is full")
        original(*arguments)

    monkeypatch.setattr(parts, "write", write_second_time)
    monkeypatch.setattr("cambench.bench.store.writer.MAX_HELD", 1)
    writer.add([unit("a", "x", 0.25)])
    with pytest.raises(Fatal, match="the disk is full"):
        writer.add([unit("a", "y", 0.5)])
    writer.flush()
    writer.close()
    assert sorted(store.open_run(tmp_path).table("scores")["value"]) == [0.25, 0.5]
    assert all(name.startswith("writer") for name in threads)


def changed(part: str, key: str, value: object) -> dict[str, Any]:
    """The content of the header with one changed key or, if the value is None, without the key."""
    facts = CONTENT[part] | {key: value}
    return CONTENT | {part: {name: fact for name, fact in facts.items() if fact is not None}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged: it is not JSON"),
        (b"\xff\xfe{", "is damaged: it is not JSON"),
        ("[]", "another version"),
        (json.dumps({"format": 99}), "another version"),
        (json.dumps({"format": FORMAT}), "is damaged: it has no 'suite'"),
        (json.dumps(CONTENT | {"suite": 3}), "is damaged: 'suite' should be an object, not 3"),
        (json.dumps(changed("suite", "images", "2")), "is damaged: 'suite.images' should be a valid integer, not '2'"),
        (json.dumps(changed("data", "fingerprint", None)), "is damaged: it has no 'data.fingerprint'"),
        (json.dumps(changed("nets", "a", {"layer": "b", "classes": []})), "it has no 'nets.a.fingerprint'"),
        (json.dumps(changed("data", "colour", "red")), "is damaged: this version knows no 'data.colour'"),
    ],
)
def test_a_damaged_header_is_refused_in_one_sentence(tmp_path: Path, content: str | bytes, message: str) -> None:
    """The sentence names the file, the key and the remedy."""
    (tmp_path / "run.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as refusal:
        store.open_run(tmp_path)
    sentence = str(refusal.value)
    assert sentence.startswith(str(tmp_path / "run.json")) and message in sentence and "\n" not in sentence
    if "damaged" in message:
        assert sentence.endswith(f"; remove {tmp_path}, or name another directory with --out")


def test_a_header_is_written_unchanged(tmp_path: Path) -> None:
    """No default is added to the file, and keys with spaces are kept."""
    content = CONTENT | {"protocols": {"insertion": {"version": 1, "protocol version": 2}}}
    Writer(tmp_path, Header.model_validate(content)).close()
    written = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert written == content | {"id": written["id"]} and len(written["id"]) == 16
    assert read_header(tmp_path) == Header.model_validate(written)


def test_the_kept_run_is_readable() -> None:
    header = store.open_run(KEPT_RUN).header
    assert (header.format, header.suite.name, header.nets["resnet18"].layer) == (FORMAT, "scenes", "layer4")
    assert header.metrics["insertion"].better == "higher"


def test_a_key_missing_in_an_older_run_has_its_default(tmp_path: Path) -> None:
    """A run without the key `compile` is resumed without compilation."""
    write(tmp_path, unit("a", "x", 0.25))
    Writer(tmp_path, Header.model_validate(CONTENT | {"suite": SUITE | {"compile": False}})).close()
    with pytest.raises(UsageError, match="its compile is False, not True"):
        Writer(tmp_path, Header.model_validate(CONTENT | {"suite": SUITE | {"compile": True}}))


@pytest.mark.parametrize("module", ["store.header", "store.writer", "store.run", "compare.compare"])
def test_runs_are_read_without_fcntl(module: str) -> None:
    """Windows has no fcntl."""
    code = f"import sys; sys.modules['fcntl'] = None; import cambench.bench.{module}"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    part(tmp_path, table="scores").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"\.parquet is damaged \(it is not the file that was written\)"):
        store.open_run(tmp_path).table("scores")
    with pytest.raises(UsageError, match=rf"remove {part(tmp_path)} and run the same command again"):
        Writer(tmp_path, HEADER)


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        store.open_run(tmp_path)


def test_a_removed_part_is_computed_again_and_no_other_is_lost(tmp_path: Path) -> None:
    for image in "xyz":
        write(tmp_path, unit("a", image, 0.5))
    part(tmp_path, 1).unlink()
    write(tmp_path, unit("a", "y", 0.5))
    run = store.open_run(tmp_path)
    assert sorted(run.table("scores")["image"]) == sorted(run.table("curves")["image"]) == ["x", "y", "z"]


def test_parts_with_and_without_reasons_are_read_together(tmp_path: Path) -> None:
    with_reason = unit("b", "x", float("nan"))
    with_reason.rows["scores"][0]["reason"] = "no global pooling"
    write(tmp_path, unit("a", "x", 0.5))
    write(tmp_path, with_reason)
    reasons = pd.read_parquet(tmp_path / "scores")["reason"]
    assert reasons.isna().tolist() == [True, False]
    assert reasons[1] == "no global pooling"


def test_a_changed_method_is_refused_and_a_changed_description_is_not(tmp_path: Path) -> None:
    def with_method(version: int, description: str) -> Header:
        method = METHOD | {"version": version, "description": description}
        return Header.model_validate(CONTENT | {"methods": {"m": method}})

    writer = Writer(tmp_path, with_method(1, "old words"))
    writer.add([unit("a", "x", 0.25)], last=True)
    writer.close()
    Writer(tmp_path, with_method(1, "new words")).close()
    with pytest.raises(UsageError, match="holds another run: its version of m is 1, not 2"):
        Writer(tmp_path, with_method(2, "new words"))


@pytest.mark.parametrize("table", ["predictions", "cost"])
def test_a_removed_table_is_computed_again(tmp_path: Path, table: str) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    part(tmp_path, table=table).unlink()
    writer = Writer(tmp_path, HEADER)
    done = writer.done
    writer.close()
    assert done == set()
    write(tmp_path, unit("a", "x", 0.25))
    assert len(store.open_run(tmp_path).table("scores")) == 1


def test_a_foreign_table_is_named_and_other_files_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    (tmp_path / "scores" / "notes.parquet").write_bytes(b"notes")
    assert len(store.open_run(tmp_path).table("scores")) == 1
    shutil.copy(part(tmp_path, table="cost"), part(tmp_path, table="scores"))
    with pytest.raises(UsageError, match=r"\.parquet is damaged \(it is not the file that was written\)"):
        store.open_run(tmp_path).table("scores")


def failed(net: str, image: str, reason: str = "it is truncated") -> Unit:
    return Unit((net, image), {"failures": [{"dataset": "scenes", "net": net, "image": image, "reason": reason}]})


def test_a_failure_is_stored_until_a_later_attempt_succeeds(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25), failed("a", "y"))
    assert store.open_run(tmp_path).list_done() == {("a", "x")}
    write(tmp_path, failed("a", "y"))
    assert store.open_run(tmp_path).table("failures")["reason"].tolist() == ["it is truncated"]
    write(tmp_path, unit("a", "y", 0.5))
    assert store.open_run(tmp_path).table("failures").empty
    assert store.open_run(tmp_path).list_done() == {("a", "x"), ("a", "y")}


def test_parts_may_be_written_in_parallel_and_the_last_part_of_a_name_counts(tmp_path: Path) -> None:
    writer = Writer(tmp_path, HEADER)
    names = [writer.name_part() for _ in range(2)]
    for name, value in zip([*names, names[0]], (0.25, 0.5, 0.75), strict=True):
        parts.write(tmp_path, name, [unit("a", "y" if name == names[1] else "x", value)], writer.identity)
    writer.close()
    assert pd.read_parquet(tmp_path / "scores")["value"].tolist() == [0.75, 0.5]


@pytest.mark.parametrize(("seconds", "least", "most"), [(60, 10, 16), (3600, 150, 190), (36000, 200, 310)])
def test_a_run_of_hours_has_a_few_hundred_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, least: int, most: int
) -> None:
    """A part is 5 s of work, later a fiftieth of the time so far, and at most MAX_HELD units."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    written: list[int] = []
    monkeypatch.setattr(parts, "write", lambda _, __, units, ___: written.append(len(units)))
    writer = Writer(tmp_path, HEADER)
    while clock[0] < seconds:
        clock[0] += seconds / 2000
        writer.add([unit("a", str(clock[0]), 0.5)])
    writer.flush()
    writer.close()
    assert sum(written) == pytest.approx(2000, abs=1)
    assert least <= len(written) <= most
    assert max(written) <= MAX_HELD


def test_failures_are_grouped_by_reason_whatever_the_name_of_the_image(tmp_path: Path) -> None:
    write(tmp_path, failed("a", "z", "/d/z is damaged"))
    assert store.describe_failures(store.open_run(tmp_path)) == (
        "1 image of 3 failed on 1 net, the first z on a: /d/z is damaged"
    )
    write(
        tmp_path,
        failed("a", "y", "no memory"),
        failed("a", "x", "/d/x is damaged"),
        failed("b", "x", "/d/x is damaged"),
    )
    assert store.describe_failures(store.open_run(tmp_path)) == (
        "3 images of 3 failed on 2 nets: 2 images, the first z on a: /d/z is damaged; 1 image, the first y on a: no memory; "
        "forwards and peak bytes, which are measured on the first image, are missing"
    )


def test_the_most_frequent_reasons_of_failures_are_named(tmp_path: Path) -> None:
    write(tmp_path, *(failed(net, image, f"reason {net}{image}") for net in "ab" for image in "yz"))
    assert str(store.describe_failures(store.open_run(tmp_path))).endswith("; the rest for 1 other reason")
