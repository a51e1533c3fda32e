"""bench run --target: the class that is explained on every image, as `bench explain --target` takes it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cambench import choose, load_dataset, run, score
from cambench.bench.compare.compare import compare_snapshots, load_snapshot
from cambench.bench.config import suite_file
from cambench.bench.config.protocol import find_protocol
from cambench.bench.core.errors import UsageError
from cambench.bench.store import run as store
from cambench.bench.store.run import Run

from ..support.cli import bench, refused

DATA = "scenes[size=64]"
NET = ["--nets", "squeezenet1_1", "--dataset", DATA, "--precision", "fp32"]
FEW = [*NET, "--methods", "cam,random", "--metrics", "deletion,average_drop", "--images", "2"]
CALL: dict[str, Any] = {"nets": ["squeezenet1_1"], "dataset": DATA, "precision": "fp32", "methods": ["cam", "random"]}


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Run:
    directory = tmp_path_factory.mktemp("ring") / "run"
    assert bench("run", *FEW, "--target", "ring", "--out", directory).exit_code == 0
    return store.open_run(directory)


def test_every_image_is_explained_for_the_class_named(ring: Run) -> None:
    predictions = ring.table("predictions")
    assert set(predictions["target_name"]) == {"ring"} != set(predictions["label_name"])
    assert set(ring.table("scores")["target"]) == {ring.header.nets["squeezenet1_1"].classes.index("ring")}
    assert ring.header.suite.target == "ring"
    assert {protocol["target"] for protocol in ring.header.protocols.values()} == {"ring"}


def test_its_scores_are_those_of_the_map_of_this_class(ring: Run) -> None:
    maps, scores = ring.table("maps"), ring.table("scores").set_index(["image", "method", "metric"])["value"]
    images = {image.name: image for image in map(load_dataset(DATA).__getitem__, range(2))}
    assert len(maps) == 4
    for image, height, width, values in maps[maps["method"] == "cam"][["image", "height", "width", "values"]].values:
        cam = np.array(values).reshape(height, width)
        other = score(cam, images[image], "squeezenet1_1", target="ring", metrics=["deletion"], precision="fp32")
        assert scores[image, "cam", "deletion"] == pytest.approx(other["deletion"], abs=1e-6)


def test_a_class_may_be_given_by_its_number(tmp_path: Path) -> None:
    result = run(out=tmp_path / "run", metrics=["gini"], images=1, target=2, quiet=True, **CALL)
    assert result.predictions["target"].tolist() == [2] and result.header.suite.target == "2"


def test_the_second_likeliest_class_may_be_explained(tmp_path: Path) -> None:
    predictions = run(out=tmp_path / "run", metrics=["gini"], images=2, target="top2", quiet=True, **CALL).predictions
    assert (predictions["target"] != predictions["predicted"]).all()
    assert (predictions["probability"] < 0.5).all()


@pytest.mark.parametrize(
    ("written", "read"), [("top1", "predicted"), ("007", "7"), ("0", "0"), (3, "3"), ("Cat", "Cat")]
)
def test_a_target_is_recorded_in_one_way(written: str, read: str) -> None:
    assert suite_file.load("smoke", target=written).load_protocols()[0].target == read


def test_a_race_explains_the_class_named(tmp_path: Path) -> None:
    race = choose(by="average_drop", images=8, target="ring", out=tmp_path / "race", quiet=True, **CALL)
    assert set(race.predictions["target_name"]) == {"ring"}


def test_a_run_of_another_class_is_neither_resumed_nor_compared(ring: Run, tmp_path: Path) -> None:
    assert "its target is ring, not star" in refused("run", *FEW, "--target", "star", "--out", ring.directory)
    assert bench("run", *FEW, "--target", "star", "--out", tmp_path / "star").exit_code == 0
    comparison = compare_snapshots(load_snapshot(ring.directory), load_snapshot(tmp_path / "star"))
    results = [result for result in comparison.results if result.key[2] in ("deletion", "average_drop")]
    assert {(result.verdict, result.why) for result in results} == {("not comparable", "metric's target: ring → star")}


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("ringg", "the target is predicted, label or a class of squeezenet1_1: there is no class 'ringg': did you mean 'ring'"),
        ("10", "a class of squeezenet1_1: there is no class 10: the net has the classes 0 to 9"),
        ("top6", "there is no target top6: top1 to top5 are the likeliest classes"),
        ("", "'' names no class"),
    ],
)  # fmt: skip
def test_a_class_that_the_net_lacks_is_refused(tmp_path: Path, target: str, sentence: str) -> None:
    assert sentence in refused("run", *FEW, "--target", target, "--out", tmp_path / "run")


def test_a_class_is_no_part_of_the_name_of_a_protocol() -> None:
    """Names of classes may have brackets and commas, which those of protocols cannot have."""
    protocol = find_protocol("rise", "cat, [tabby]")
    assert (protocol.name, protocol.target) == ("rise", "cat, [tabby]")
    assert find_protocol("rise[target=3]").target == "3"
    with pytest.raises(UsageError, match="contradict each other"):
        find_protocol("rise[target=star]", "ring")


def test_the_page_says_which_images_are_explained_for_another_class_than_their_label(ring: Run) -> None:
    page = bench("report", ring.directory, "--out", ring.directory / "page.html")
    assert page.exit_code == 0
    rows: pd.DataFrame = ring.table("predictions")
    text = (ring.directory / "page.html").read_text(encoding="utf-8")
    assert text.count("not its label") == (rows["label"] != rows["target"]).sum() > 0
