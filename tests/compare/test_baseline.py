"""A baseline holds everything that is compared, is small and reproducible, and is refused if it was changed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cambench.bench.compare import baseline
from cambench.bench.compare.compare import compare_snapshots, load_snapshot
from cambench.bench.compare.snapshot import Scores, Snapshot
from cambench.bench.store import run as store
from cambench.tests.support import runs
from cambench.tests.support.cli import bench, refused
from cambench.tests.support.comparisons import edit_header, find_keys, shift_scores


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def file(run: Path, tmp_path: Path) -> Path:
    assert bench("baseline", run, "--out", tmp_path / "a.baseline").exit_code == 0
    return tmp_path / "a.baseline"


def test_a_run_compares_as_the_same_as_its_baseline(run: Path, file: Path) -> None:
    for pair in ((file, run), (run, file), (file, file)):
        comparison = compare_snapshots(*map(load_snapshot, pair))
        assert set(comparison.counts) == {"same"} and comparison.notes == ()
    assert bench("compare", file, run).exit_code == 0


def test_a_baseline_holds_what_a_comparison_needs(run: Path, file: Path) -> None:
    of_run, of_file = load_snapshot(run), load_snapshot(file)
    assert of_file == replace(of_run, name=str(file), scores=of_file.scores, costs=of_file.costs, environment={})
    assert of_file.scores.keys() == of_run.scores.keys()
    for key, values in of_run.scores.items():
        assert of_file.scores[key].values == pytest.approx(values.values, abs=5.1e-7, nan_ok=True)
        assert of_file.scores[key].reasons == values.reasons
    assert of_file.costs["vgg16", "score_cam"] == pytest.approx(of_run.costs["vgg16", "score_cam"], rel=1e-11)


def test_a_baseline_is_reproducible(run: Path, file: Path, tmp_path: Path) -> None:
    """The order of the rows and the place of the run do not matter."""
    again = runs.write(tmp_path / "elsewhere" / "again")
    for table in ("scores", "cost", "predictions"):
        runs.rewrite(again, table, store.open_run(again).table(table).iloc[::-1])
    assert baseline.format_baseline(load_snapshot(again)) == file.read_text(encoding="utf-8")
    assert baseline.format_baseline(load_snapshot(file)) == file.read_text(encoding="utf-8")
    assert str(tmp_path) not in file.read_text(encoding="utf-8")


def test_a_diff_shows_the_changed_cells(file: Path, tmp_path: Path) -> None:
    new = runs.write(tmp_path / "new")
    shift_scores(new, "grad_cam", "insertion", -0.1, images=1)
    before, after = (
        file.read_text(encoding="utf-8").splitlines(),
        baseline.format_baseline(load_snapshot(new)).splitlines(),
    )
    changed = [line for line, other in zip(before, after, strict=True) if line != other]
    assert len(changed) == 1 + 3  # the checksum, and a line for each net
    assert changed[1].startswith('["squeezenet1_1", "grad_cam", "insertion", [')


def test_a_baseline_of_ten_methods_twelve_metrics_and_three_nets_is_small(run: Path) -> None:
    small = load_snapshot(run)
    metrics = {f"metric_{number}": small.metrics["insertion"] for number in range(12)}
    metrics = {
        name: facts.model_copy(update={"protocol": {f"choice {n}": "x" * 20 for n in range(25)}})
        for name, facts in metrics.items()
    }
    images = {f"image {number:02}": "0" * 16 for number in range(8)}
    rng = np.random.default_rng(0)
    big = Snapshot(
        name="big", origin=small.origin, metrics=metrics, methods={f"method_{n}": small.methods["cam"] for n in range(10)},
        nets=small.nets, image_hashes=images, targets={net: dict.fromkeys(images, 3) for net in small.nets},
        scores={(net, f"method_{m}", metric): Scores(rng.random(8), {})
                for net in small.nets for m in range(10) for metric in metrics},
        costs={(net, f"method_{m}"): {"forwards": 513.123456789, "peak_bytes": 1e9} for net in small.nets for m in range(10)},
    )  # fmt: skip
    assert len(baseline.format_baseline(big).encode()) < 300_000


def test_small_values_of_a_metric_without_bounds_keep_their_digits(run: Path) -> None:
    snapshot = load_snapshot(run)
    key = ("resnet18", "cam", "energy")
    unbounded = {**snapshot.metrics, "energy": snapshot.metrics["energy"].model_copy(update={"range": [0, None]})}
    tiny = replace(snapshot, metrics=unbounded, scores={key: Scores(np.full(12, 1.2345678e-9), {})})
    assert json.loads(baseline.format_baseline(tiny))["values"] == [[*key, [1.234568e-09] * 12]]


def test_a_run_worse_than_the_baseline_fails_with_the_command_to_record_it(file: Path, tmp_path: Path) -> None:
    new = runs.write(tmp_path / "new")
    shift_scores(new, "score_cam", "deletion", 0.1)
    result = bench("compare", file, new)
    assert result.exit_code == 1
    assert ("vgg16", "score_cam", "deletion") in find_keys(
        compare_snapshots(load_snapshot(file), load_snapshot(new)), "worse"
    )
    assert f"benchbaseline{new}--out{file}" in "".join(result.output.split())  # wherever the terminal breaks the line


DAMAGED = "was edited or cut off: restore the committed file, or write it anew with bench baseline"


def test_a_changed_file_is_refused(run: Path, file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for changed in (text[: len(text) // 2], text.replace("0.8", "0.9", 1), text.replace('"higher"', '"lower"', 1)):
        assert changed != text
        file.write_text(changed, encoding="utf-8")
        assert DAMAGED in refused("compare", file, run)


def test_line_ends_of_another_system_are_accepted(run: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert bench("compare", file, run).exit_code == 0


def test_another_format_and_other_files_are_refused(run: Path, file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace('baseline": 1', 'baseline": 2', 1), encoding="utf-8")
    assert "is a baseline of format 2, and this version reads format 1" in refused("compare", file, run)
    assert refused("compare", file, run).endswith("update cambench")
    for content in (b"{}", b"\xff\xfe\x00", b"[1, 2]"):
        (tmp_path / "other").write_bytes(content)
        assert "is neither a run nor a baseline" in refused("compare", tmp_path / "other", run)
    for content, fault in ((b"", "is empty"), (b"<<<<<<< HEAD\n{", "has the marks of a merge conflict"),
                           (b' {\n "cambench baseline": 1', "was formatted anew by another program")):  # fmt: skip
        file.write_bytes(content)
        assert fault in refused("compare", file, run)
    file.write_bytes(b'{"cambench baseline": 1, "sha256": "\xff"}')
    assert DAMAGED in refused("compare", file, run)
    file.write_text('{"cambench baseline": 1}', encoding="utf-8")
    assert DAMAGED in refused("compare", file, run)


def test_an_incomplete_run_has_no_baseline(tmp_path: Path) -> None:
    incomplete = runs.write(tmp_path / "half")
    edit_header(incomplete, lambda header: header["data"]["images"].append("image 12"))
    assert "is not finished" in refused("baseline", incomplete)
    assert not (tmp_path / "half.baseline").exists()
