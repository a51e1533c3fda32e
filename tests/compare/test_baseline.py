"""A baseline holds all that is compared, in few bytes that depend on nothing else, and is refused where it was touched."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cambench.bench.compare import baseline
from cambench.bench.compare.compare import compare, load
from cambench.bench.compare.snapshot import Recorded
from cambench.bench.store import run as store
from cambench.tests.support import runs
from cambench.tests.support.cli import bench, refused
from cambench.tests.support.comparisons import edited, found, shifted


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def file(run: Path, tmp_path: Path) -> Path:
    assert bench("baseline", run, "--out", tmp_path / "a.baseline").exit_code == 0
    return tmp_path / "a.baseline"


def test_a_run_is_the_same_as_its_baseline(run: Path, file: Path) -> None:
    for pair in ((file, run), (run, file), (file, file)):
        comparison = compare(*map(load, pair))
        assert set(comparison.counts) == {"same"} and comparison.notes == ()
    assert bench("compare", file, run).exit_code == 0


def test_it_holds_what_a_comparison_needs(run: Path, file: Path) -> None:
    of_run, of_file = load(run), load(file)
    assert of_file == replace(of_run, name=str(file), scores=of_file.scores, costs=of_file.costs)
    assert of_file.scores.keys() == of_run.scores.keys()
    for key, values in of_run.scores.items():
        for image, one in values.items():
            expected = pytest.approx(one, abs=5.1e-7) if isinstance(one, float) else one
            assert of_file.scores[key][image] == expected
    assert of_file.costs["vgg16", "score_cam"] == pytest.approx(of_run.costs["vgg16", "score_cam"], rel=1e-11)


def test_recorded_again_it_has_the_same_bytes(run: Path, file: Path, tmp_path: Path) -> None:
    """Whatever the order in which the images came to be done, and wherever the run lies."""
    again = runs.write(tmp_path / "elsewhere" / "again")
    for table in ("scores", "cost", "predictions"):
        runs.rewrite(again, table, store.read(again).table(table).iloc[::-1])
    assert baseline.text(load(again)) == file.read_text()
    assert baseline.text(load(file)) == file.read_text()
    assert str(tmp_path) not in file.read_text()


def test_a_diff_shows_the_cell_that_changed(file: Path, tmp_path: Path) -> None:
    new = runs.write(tmp_path / "new")
    shifted(new, "grad_cam", "insertion", -0.1, images=1)
    before, after = file.read_text().splitlines(), baseline.text(load(new)).splitlines()
    changed = [line for line, other in zip(before, after, strict=True) if line != other]
    assert len(changed) == 1 + 3  # the checksum, and a line for each net
    assert changed[1].startswith('["squeezenet1_1", "grad_cam", "insertion", [')


def test_ten_methods_by_twelve_metrics_on_three_nets_stay_small(run: Path) -> None:
    whole = load(run)
    metrics = {f"metric_{number}": whole.metrics["insertion"] for number in range(12)}
    metrics = {
        name: about | {"protocol": {f"choice {n}": "x" * 20 for n in range(25)}} for name, about in metrics.items()
    }
    images = {f"image {number:02}": "0" * 16 for number in range(8)}
    rng = np.random.default_rng(0)
    big = Recorded(
        name="big", made=whole.made, metrics=metrics, methods={f"method_{n}": whole.methods["cam"] for n in range(10)},
        nets=whole.nets, images=images, targets={net: dict.fromkeys(images, 3) for net in whole.nets},
        scores={(net, f"method_{m}", metric): {image: float(rng.random()) for image in images}
                for net in whole.nets for m in range(10) for metric in metrics},
        costs={(net, f"method_{m}"): {"forwards": 513.123456789, "peak_bytes": 1e9} for net in whole.nets for m in range(10)},
    )  # fmt: skip
    assert len(baseline.text(big).encode()) < 300_000


def test_small_values_without_a_range_keep_their_digits(run: Path) -> None:
    whole = load(run)
    key = ("resnet18", "cam", "energy")
    endless = {**whole.metrics, "energy": whole.metrics["energy"] | {"range": [0, None]}}
    tiny = replace(whole, metrics=endless, scores={key: dict.fromkeys(whole.images, 1.2345678e-9)})
    assert json.loads(baseline.text(tiny))["values"] == [[*key, [1.234568e-09] * 12]]


def test_a_worse_run_is_worse_than_the_baseline(file: Path, tmp_path: Path) -> None:
    new = runs.write(tmp_path / "new")
    shifted(new, "score_cam", "deletion", 0.1)
    result = bench("compare", file, new)
    assert result.exit_code == 1
    assert ("vgg16", "score_cam", "deletion") in found(compare(load(file), load(new)), "worse")
    assert f"benchbaseline{new}--out{file}" in "".join(result.output.split())  # wherever the terminal breaks the line


SPOILT = "was edited or cut off: record it anew with bench baseline"


def test_a_file_that_was_touched_is_refused(run: Path, file: Path) -> None:
    text = file.read_text()
    for changed in (text[: len(text) // 2], text.replace("0.8", "0.9", 1), text.replace('"higher"', '"lower"', 1)):
        assert changed != text
        file.write_text(changed)
        assert SPOILT in refused("compare", file, run)


def test_line_ends_of_another_system_are_no_edit(run: Path, file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert bench("compare", file, run).exit_code == 0


def test_another_format_or_no_baseline_at_all_is_refused(run: Path, file: Path, tmp_path: Path) -> None:
    file.write_text(file.read_text().replace('baseline": 1', 'baseline": 2', 1))
    assert "is a baseline of format 2, and this version reads format 1" in refused("compare", file, run)
    for content in (b"", b"{}", b"\xff\xfe\x00", b"[1, 2]"):
        (tmp_path / "other").write_bytes(content)
        assert "is neither a run nor a baseline" in refused("compare", tmp_path / "other", run)
    file.write_bytes(b'{"cambench baseline": 1, "sha256": "\xff"}')
    assert SPOILT in refused("compare", file, run)
    file.write_text('{"cambench baseline": 1}')
    assert SPOILT in refused("compare", file, run)


def test_half_a_run_has_no_baseline(tmp_path: Path) -> None:
    half = runs.write(tmp_path / "half")
    edited(half, lambda header: header["data"]["images"].append("image 12"))
    assert "is not finished" in refused("baseline", half)
    assert not (tmp_path / "half.baseline").exists()
