"""A forecast is the work that a run does: where it can be told by hand, and where it is counted."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from cambench.bench.cli import plan as plan_command
from cambench.bench.cli.main import main
from cambench.bench.config import suite_file
from cambench.bench.core.errors import UsageError
from cambench.bench.run import forecast
from cambench.bench.run.plan import plan
from cambench.bench.store import run as store

SMALL = {"nets": ["squeezenet1_1"], "dataset": "scenes[size=64]", "precision": "fp32"}


def needed(**changes: object) -> forecast.Needs:
    asked = suite_file.load("smoke", **SMALL | changes)
    return forecast.needs(
        plan(asked.model_copy(update={"images": forecast.least(asked.drift)}), "cpu"), "squeezenet1_1"
    )


def test_the_work_is_that_of_the_questions() -> None:
    """A control asks the net nothing: what is left are its own predictions, and the 27 images of a deletion's steps."""
    bare = needed(methods=["centre"], metrics=["gini"])
    curve = needed(methods=["centre"], metrics=["deletion"])
    finer = needed(methods=["centre"], metrics=["deletion[steps=56]"])
    assert bare.forwards == pytest.approx(round(bare.forwards), abs=0.01)  # predictions of the clean image, and no more
    assert finer.forwards - curve.forwards == pytest.approx(28, abs=0.3)
    assert bare.seconds > 0


def test_bytes_are_those_of_a_run(tmp_path: Path) -> None:
    told = needed(methods=["centre", "random"], metrics=["deletion"])
    arguments = [
        "--methods",
        "centre,random",
        "--metrics",
        "deletion",
        "--images",
        "40",
        "--out",
        str(tmp_path / "run"),
    ]
    small = ["--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--precision", "fp32"]
    assert CliRunner(catch_exceptions=False).invoke(main, ["run", "smoke", *small, *arguments]).exit_code == 0
    found = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*.parquet"))
    assert len(store.done(tmp_path / "run")) == 40
    assert 0.5 < told.bytes * 40 / found < 2  # the more images in a part, the fewer bytes each


def test_images_that_fail_are_no_forecast(tmp_path: Path) -> None:
    for number in range(6):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / f"{number}.png")
    with pytest.raises(UsageError, match="has no label: explain the predicted class"):
        needed(methods=["centre"], metrics=["gini"], dataset=f"image_folder[path={tmp_path},size=64]", target="label")


def test_hours_and_gigabytes() -> None:
    """An image a second for 50,000 of them is 13.9 hours, and on eight devices an eighth of that."""
    assert plan_command.hours(1, 50_000) == ["13.9", "1.74", "0.217"]
    assert plan_command.size(40_000, 50_000) == "2"


def test_the_command_says_that_it_computed() -> None:
    asked = ["plan", "smoke", "--nets", "squeezenet1_1", "--dataset", "scenes[size=64]", "--methods", "centre"]
    result = CliRunner(catch_exceptions=False).invoke(
        main, [*asked, "--metrics", "gini", "--images", "50000", "--rate", "1000"]
    )
    assert result.exit_code == 0
    assert "computed for 50,000 images, not measured" in result.output
