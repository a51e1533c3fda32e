"""What a run on disk promises: whole parts, other runs refused, resumption."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cambench.bench.core.errors import UsageError
from cambench.bench.store import header
from cambench.bench.store import run as store
from cambench.bench.store.run import Unit
from cambench.bench.store.writer import HELD_MOST, Writer

HEADER: dict[str, Any] = {
    "format": header.FORMAT,
    "suite": {"name": "try", "images": 2},
    "protocols": {"insertion": {"steps": 28}},
    "methods": {},
    "metrics": {},
    "environment": {},
    "nets": {"a": {"fingerprint": "1"}},
    "data": {"fingerprint": "2"},
}


def unit(net: str, image: str, value: float) -> Unit:
    key = {"net": net, "image": image}
    return Unit(
        (net, image),
        {
            "scores": [key | {"method": "m", "metric": "insertion", "value": value}],
            "curves": [key | {"shares": [0.0, 1.0], "scores": [value, value]}],
            "cost": [key | {"method": "m", "seconds": value}],
            "predictions": [key | {"target": 1}],
        },
    )


def part(directory: Path, number: int = 0, table: str = "scores") -> Path:
    """The file of a table of one of a run's parts, in the order in which they were written."""
    return sorted((directory / table).glob("part-*.parquet"))[number]


def write(directory: Path, *units: Unit) -> None:
    writer = Writer(directory, HEADER)
    for one in units:
        writer.add([one])
    writer.flush()
    writer.close()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "run", unit("a", "x", 0.25), unit("a", "y", 0.5))
    run = store.read(tmp_path / "run")
    assert run.table("scores")["value"].tolist() == [0.25, 0.5]
    assert [list(curve) for curve in run.table("curves")["scores"]] == [[0.25, 0.25], [0.5, 0.5]]
    assert pd.read_parquet(tmp_path / "run" / "scores")["image"].tolist() == ["x", "y"]
    assert pd.read_parquet(tmp_path / "run" / "cost")["seconds"].tolist() == [0.25, 0.5]
    assert run.table("maps").empty


def test_a_writer_knows_what_is_done_and_goes_on(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    writer = Writer(tmp_path, HEADER)
    assert writer.done == {("a", "x")}
    writer.add([unit("a", "y", 0.5)])
    writer.flush()
    writer.close()
    assert store.read(tmp_path).table("scores")["value"].tolist() == [0.25, 0.5]


def test_a_part_without_its_scores_does_not_count(tmp_path: Path) -> None:
    """A kill between curves and scores leaves curves and costs of cells that are not done; the next run takes them away."""
    write(tmp_path, unit("a", "x", 0.25), unit("a", "y", 0.5))
    part(tmp_path).unlink()
    (tmp_path / "curves" / ".part-9.partial").write_bytes(b"half")
    assert store.read(tmp_path).table("curves").empty
    write(tmp_path, unit("a", "x", 0.75))
    run = store.read(tmp_path)
    assert run.table("scores")["value"].tolist() == [0.75]
    assert [list(curve) for curve in run.table("curves")["scores"]] == [[0.75, 0.75]]
    assert pd.read_parquet(tmp_path / "cost")["seconds"].tolist() == [0.75]
    assert len(list((tmp_path / "curves").iterdir())) == 1


def test_another_suites_run_is_refused(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    other = HEADER | {"suite": {"name": "try", "images": 3}}
    with pytest.raises(UsageError, match=r"holds another run: its images is 2, not 3; name another directory"):
        Writer(tmp_path, other)
    assert store.read(tmp_path).table("scores")["value"].tolist() == [0.25]


def test_a_foreign_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty and holds no run"):
        Writer(tmp_path, HEADER)
    assert {path.name for path in tmp_path.iterdir()} <= {"thesis.tex", ".lock"}


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    first = Writer(tmp_path, HEADER)
    with pytest.raises(UsageError, match="another run is writing"):
        Writer(tmp_path, HEADER)
    first.close()
    Writer(tmp_path, HEADER).close()


def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    writer = Writer(tmp_path, HEADER)
    writer.add([unit("a", "y", 0.5)])

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", full)
    with pytest.raises(UsageError, match="the disk is full; what was written is kept"):
        writer.flush()
    writer.close()
    assert store.read(tmp_path).table("scores")["value"].tolist() == [0.25]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "damaged"),
        ("[]", "another version"),
        (json.dumps({"format": 99}), "another version"),
        (json.dumps({"format": header.FORMAT, "suite": 3}), "damaged: it has no 'suite'"),
    ],
)
def test_a_damaged_header_is_said(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        store.read(tmp_path)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    part(tmp_path).write_bytes(b"PAR1")
    with pytest.raises(UsageError, match=r"\.parquet is damaged"):
        store.read(tmp_path).table("scores")
    with pytest.raises(UsageError, match=rf"remove {part(tmp_path)}, and the same command fills the gap"):
        Writer(tmp_path, HEADER)


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        store.read(tmp_path)


def test_a_part_taken_out_is_filled_and_no_other_is_lost(tmp_path: Path) -> None:
    for image in "xyz":
        write(tmp_path, unit("a", image, 0.5))
    part(tmp_path, 1).unlink()
    write(tmp_path, unit("a", "y", 0.5))
    run = store.read(tmp_path)
    assert sorted(run.table("scores")["image"]) == sorted(run.table("curves")["image"]) == ["x", "y", "z"]


def test_parts_with_and_without_reasons_are_read_together(tmp_path: Path) -> None:
    with_reason = unit("b", "x", float("nan"))
    with_reason.rows["scores"][0]["reason"] = "no global pooling"
    write(tmp_path, unit("a", "x", 0.5))
    write(tmp_path, with_reason)
    reasons = pd.read_parquet(tmp_path / "scores")["reason"]
    assert reasons.isna().tolist() == [True, False]
    assert reasons[1] == "no global pooling"


def test_a_changed_method_is_refused_and_a_changed_description_not(tmp_path: Path) -> None:
    def with_method(version: int, description: str) -> dict[str, Any]:
        return HEADER | {"methods": {"m": {"version": version, "description": description}}}

    Writer(tmp_path, with_method(1, "old words")).close()
    Writer(tmp_path, with_method(1, "new words")).close()
    with pytest.raises(UsageError, match="holds another run: its version of m is 1, not 2"):
        Writer(tmp_path, with_method(2, "new words"))


@pytest.mark.parametrize("table", ["predictions", "cost"])
def test_a_table_taken_out_is_computed_again(tmp_path: Path, table: str) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    part(tmp_path, table=table).unlink()
    writer = Writer(tmp_path, HEADER)
    done = writer.done
    writer.close()
    assert done == set()
    write(tmp_path, unit("a", "x", 0.25))
    assert len(store.read(tmp_path).table("scores")) == 1


def test_somebody_elses_table_is_named_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25))
    (tmp_path / "scores" / "notes.parquet").write_bytes(b"mine")
    assert len(store.read(tmp_path).table("scores")) == 1
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "scores" / "part-00001.parquet")
    with pytest.raises(UsageError, match=r"part-00001\.parquet is damaged \(it is another table\)"):
        store.read(tmp_path).table("scores")


def failed(net: str, image: str) -> Unit:
    return Unit((net, image), {"failures": [{"net": net, "image": image, "reason": "it is torn"}]})


def test_a_failure_is_kept_and_tried_again_until_it_goes_well(tmp_path: Path) -> None:
    write(tmp_path, unit("a", "x", 0.25), failed("a", "y"))
    assert store.done(tmp_path) == {("a", "x")}
    write(tmp_path, failed("a", "y"))
    assert store.read(tmp_path).table("failures")["reason"].tolist() == ["it is torn"]
    write(tmp_path, unit("a", "y", 0.5))
    assert store.read(tmp_path).table("failures").empty
    assert store.done(tmp_path) == {("a", "x"), ("a", "y")}


def test_several_may_write_parts_at_once_and_a_part_written_twice_counts_once(tmp_path: Path) -> None:
    writer = Writer(tmp_path, HEADER)
    names = [writer.part() for _ in range(2)]
    for name, value in zip([*names, names[0]], (0.25, 0.5, 0.75), strict=True):
        store.write(tmp_path, name, [unit("a", "y" if name == names[1] else "x", value)])
    writer.close()
    assert pd.read_parquet(tmp_path / "scores")["value"].tolist() == [0.75, 0.5]


@pytest.mark.parametrize(("seconds", "least", "most"), [(60, 10, 16), (3600, 150, 190), (36000, 200, 310)])
def test_a_run_of_hours_has_a_few_hundred_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, least: int, most: int
) -> None:
    """A part is 5 s of work, later a fiftieth of the time so far, and never more than so many units."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    written: list[int] = []
    monkeypatch.setattr(store, "write", lambda *given: written.append(len(given[2])))
    writer = Writer(tmp_path, HEADER)
    while clock[0] < seconds:
        clock[0] += seconds / 2000
        writer.add([unit("a", str(clock[0]), 0.5)])
    writer.flush()
    writer.close()
    assert sum(written) == pytest.approx(2000, abs=1)
    assert least <= len(written) <= most
    assert max(written) <= HELD_MOST
