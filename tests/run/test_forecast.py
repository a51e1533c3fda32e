"""A forecast predicts the work and the disk space of a run."""

from pathlib import Path

import pytest
from PIL import Image

from cambench.bench.cli import plan as plan_command
from cambench.bench.config import suite_file
from cambench.bench.core.errors import ImageError
from cambench.bench.run import forecast
from cambench.bench.run.plan import make_plan
from cambench.bench.store import run as store
from cambench.tests.support.cli import bench

SMALL = {"nets": ["squeezenet1_1"], "dataset": "scenes[size=64]", "precision": "fp32"}


def measure(**changes: object) -> forecast.Needs:
    suite = suite_file.load("smoke", **SMALL | changes)
    plan = make_plan(suite.model_copy(update={"images": forecast.compute_min_images(suite.drift)}), "cpu")
    return forecast.measure_needs(plan, "squeezenet1_1")


def test_the_forwards_are_those_of_the_predictions_and_of_the_metrics_steps() -> None:
    """The control `centre` runs no forward pass of its own, so twice the steps of deletion add 28 forwards."""
    bare = measure(methods=["centre"], metrics=["gini"])
    curve = measure(methods=["centre"], metrics=["deletion"])
    finer = measure(methods=["centre"], metrics=["deletion[steps=56]"])
    assert bare.forwards == pytest.approx(round(bare.forwards), abs=0.01)  # only predictions of the clean image
    assert finer.forwards - curve.forwards == pytest.approx(28, abs=0.3)
    assert bare.seconds > 0


def test_the_bytes_are_those_of_a_run(tmp_path: Path) -> None:
    needs = measure(methods=["centre", "random"], metrics=["deletion"])
    options = ["--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--precision", "fp32"]
    options += ["--methods", "centre,random", "--metrics", "deletion", "--images", "40"]
    assert bench("run", "smoke", *options, "--out", tmp_path / "run").exit_code == 0
    written = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*.parquet"))
    assert len(store.open_run(tmp_path / "run").list_done()) == 40
    assert 0.5 < needs.bytes * 40 / written < 2  # an image takes fewer bytes in a file of many images


def test_an_image_that_fails_ends_the_forecast(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / f"{number}.png")
    with pytest.raises(ImageError, match="has no label: explain the predicted class"):
        measure(methods=["centre"], metrics=["gini"], dataset=f"image_folder[path={tmp_path},size=64]", target="label")


def test_times_and_gigabytes() -> None:
    """An image a second for 50,000 of them is 13.9 hours, and on eight devices an eighth of that."""
    assert plan_command.format_times(1, 50_000) == ["13.9 h", "1.7 h", "13 min"]
    assert plan_command.format_gigabytes(40_000, 50_000) == "2"


def test_the_command_says_that_its_numbers_are_computed() -> None:
    arguments = ["plan", "smoke", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--methods", "centre"]
    result = bench(*arguments, "--metrics", "gini", "--images", 50_000, "--rate", 1000)
    assert result.exit_code == 0
    assert "computed for 50,000 images, not measured" in result.output
    assert "race" not in result.output, "one method does not race"


def test_the_command_bounds_a_race_by_the_full_run() -> None:
    arguments = [
        "plan",
        "smoke",
        "--nets",
        "squeezenet1_1",
        "--dataset",
        "scenes[size=64]",
        "--methods",
        "centre,random",
    ]
    text = " ".join(bench(*arguments, "--metrics", "gini", "--images", 500, "--rate", 1000).output.split())
    assert "a race by all of these metrics (bench choose --images 500) takes about as long at most" in text
