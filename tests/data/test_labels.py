"""The class names of data sets and nets, shared or not; and lists of images."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cambench.bench.cli.main import main
from cambench.bench.config.suite import Suite
from cambench.bench.config.suite_file import load
from cambench.bench.core.errors import NotApplicable
from cambench.bench.data.labels import find_missing_classes, map_labels
from cambench.bench.data.types import Object
from cambench.bench.run.describe import make_header
from cambench.bench.run.plan import make_plan
from cambench.bench.store import run as store
from cambench.tests.support.nets import case_of, random_maps

CHEAP = ["--nets", "squeezenet1_1", "--methods", "random", "--precision", "fp32"]


def bench(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def with_classes(*classes: str) -> Any:
    return SimpleNamespace(classes=classes)


def test_class_names_are_matched_regardless_of_case_and_dashes() -> None:
    classes = ["Saint Bernard", "soft-coated wheaten terrier", "pug"]
    assert map_labels(with_classes("saint_bernard", "Pug", "cat"), classes) == {0: 0, 1: 2}
    assert find_missing_classes(with_classes("saint_bernard", "Pug", "cat"), classes) == ["cat"]


def test_an_ambiguous_class_name_is_not_mapped() -> None:
    assert map_labels(with_classes("crane", "pug"), ["crane", "pug", "crane"]) == {1: 1}


def test_labels_without_names_are_class_indices() -> None:
    assert map_labels(with_classes(), ["a", "b"]) == {0: 0, 1: 1}


def test_an_object_of_a_class_unknown_to_the_net_is_not_applicable() -> None:
    mask = np.zeros((16, 16), dtype=bool)
    mask[2:5, 2:5] = True
    map_, image = random_maps(1, 16)[0], random_maps(3, 16)
    unknown_case = case_of(image, map_, 4, (Object(None, mask),))
    for read_mask in (lambda: unknown_case.target_mask, lambda: unknown_case.distractor_mask):
        with pytest.raises(NotApplicable, match="the net has no class for an object that is marked in the image"):
            read_mask()
    case = case_of(image, map_, 4, (Object(None, mask), Object(4, ~mask)))
    assert (case.target_mask == ~mask).all()
    with pytest.raises(NotApplicable, match="the net has no class for an object"):
        _ = case.distractor_mask


def write_photos(folder: Path, *classes: str, count: int = 2) -> Path:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            colour = tuple(np.random.default_rng(number).integers(0, 255, 3).tolist())
            Image.new("RGB", (64, 64), colour).save(folder / name / f"{number}.png")
    return folder


def test_images_of_classes_unknown_to_the_net_are_explained_for_the_predicted_class(tmp_path: Path) -> None:
    """One of two folders is a class of the net; images of the other have no label, and a note says so."""
    dataset = f"image_folder[path={write_photos(tmp_path / 'photos', 'star', 'zebra', count=1)},size=64]"
    result = bench("run", *CHEAP, "--dataset", dataset, "--metrics", "average_drop", "--out", tmp_path / "run")
    assert result.exit_code == 0
    assert "squeezenet1_1: lacks 1 of the data set's 2 classes (zebra)" in " ".join(result.output.split())
    predictions = store.open_run(tmp_path / "run").table("predictions").set_index("image")
    assert predictions.loc["star/0.png", "label_name"] == "star"
    assert predictions.loc["zebra/0.png", ["label", "top1"]].isna().all()
    labelled = bench("run", *CHEAP, "--dataset", dataset, "--target", "label", "--out", tmp_path / "label")
    assert labelled.exit_code == 2 and "explain the predicted class (--target predicted)" in labelled.stderr


def chosen_names(suite: Suite) -> list[str]:
    planned = make_plan(suite, "cpu")
    return [planned.images.name(index) for index in planned.indices]


def test_a_list_of_names_selects_images(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("test-00007\n\ntest-00002 \n", encoding="utf-8")
    listed = str(tmp_path / "list.txt")
    suite = load("smoke", subset=listed, nets=["squeezenet1_1"])
    assert chosen_names(suite) == ["test-00007", "test-00002"]
    assert chosen_names(load("smoke", subset=listed, nets=["squeezenet1_1"], images=1)) == ["test-00007"]
    assert make_header(make_plan(suite, "cpu")).data.images == ["test-00007", "test-00002"]


def test_a_suite_file_may_name_a_list_of_images(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("test-00004\ntest-00001\ntest-00003\n", encoding="utf-8")
    (tmp_path / "mine.toml").write_text(
        f'dataset = "scenes[size=64]"\nsubset = "{tmp_path / "list.txt"}"\nnets = ["squeezenet1_1"]\n'
        'methods = ["random"]\nmetrics = ["average_drop"]\n',
        encoding="utf-8",
    )
    assert chosen_names(load(str(tmp_path / "mine.toml"))) == ["test-00004", "test-00001", "test-00003"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test-7\n", "the data set has no image 'test-7'; its images have names such as 'test-00000'"),
        ("\n", "names no image: write one image name per line"),
        ("test-00001\ntest-00001\n", "names 'test-00001' twice: each image is used once"),
        (None, "there is no file"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    listed = tmp_path / "list.txt"
    if text is not None:
        listed.write_text(text, encoding="utf-8")
    result = bench("run", *CHEAP, "--subset", listed, "--out", tmp_path / "run")
    assert result.exit_code == 2 and message in result.stderr
