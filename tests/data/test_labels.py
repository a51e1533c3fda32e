"""A data set's words and a net's: what is known by both, what only by one; and lists of images."""

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
from cambench.bench.data.labels import labels_in, unknown
from cambench.bench.data.types import Object
from cambench.bench.run.describe import header
from cambench.bench.run.plan import plan
from cambench.bench.store import run as store
from cambench.tests.support.nets import case_of, random_maps

CHEAP = ["--nets", "squeezenet1_1", "--methods", "random", "--precision", "fp32"]


def bench(*arguments: object) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, [str(argument) for argument in arguments])


def named(*classes: str) -> Any:
    return SimpleNamespace(classes=classes)


def test_names_are_the_same_whatever_their_case_and_dashes() -> None:
    classes = ["Saint Bernard", "soft-coated wheaten terrier", "pug"]
    assert labels_in(named("saint_bernard", "Pug", "cat"), classes) == {0: 0, 1: 2}
    assert unknown(named("saint_bernard", "Pug", "cat"), classes) == ["cat"]


def test_a_name_of_two_classes_is_neither() -> None:
    assert labels_in(named("crane", "pug"), ["crane", "pug", "crane"]) == {1: 1}


def test_labels_without_names_are_class_indices() -> None:
    assert labels_in(named(), ["a", "b"]) == {0: 0, 1: 1}


def test_an_object_of_a_class_that_the_net_has_not_is_neither_the_targets_nor_anothers() -> None:
    mask = np.zeros((16, 16), dtype=bool)
    mask[2:5, 2:5] = True
    made, image = random_maps(1, 16)[0], random_maps(3, 16)
    strange = case_of(image, made, 4, (Object(None, mask),))
    for ask in (lambda: strange.asked, lambda: strange.others):
        with pytest.raises(NotApplicable, match="an object is marked in the image, but its class is none of the net's"):
            ask()
    both = case_of(image, made, 4, (Object(None, mask), Object(4, ~mask)))
    assert (both.asked == ~mask).all()
    with pytest.raises(NotApplicable, match="its class is none of the net's"):
        _ = both.others


def photos(folder: Path, *classes: str, each: int = 2) -> Path:
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            colour = tuple(np.random.default_rng(number).integers(0, 255, 3).tolist())
            Image.new("RGB", (64, 64), colour).save(folder / name / f"{number}.png")
    return folder


def test_images_of_other_words_are_explained_by_what_is_predicted(tmp_path: Path) -> None:
    """Of two folders one is a class of the net: the other's images have no label, and a note says so."""
    dataset = f"image_folder[path={photos(tmp_path / 'photos', 'star', 'zebra', each=1)},size=64]"
    done = bench("run", *CHEAP, "--dataset", dataset, "--metrics", "average_drop", "--out", tmp_path / "run")
    assert done.exit_code == 0
    assert "squeezenet1_1 lacks 1 of the data set's 2 classes (zebra)" in " ".join(done.output.split())
    predictions = store.read(tmp_path / "run").table("predictions").set_index("image")
    assert predictions.loc["star/0.png", "label_name"] == "star"
    assert predictions.loc["zebra/0.png", ["label", "top1"]].isna().all()
    again = bench("run", *CHEAP, "--dataset", dataset, "--target", "label", "--out", tmp_path / "label")
    assert again.exit_code == 2 and "explain the predicted class (--target predicted)" in again.stderr


def names_of(suite: Suite) -> list[str]:
    planned = plan(suite, "cpu")
    return [planned.images.name(index) for index in planned.chosen]


def test_a_list_names_the_images_that_are_taken(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("test-00007\n\ntest-00002 \n")
    listed = str(tmp_path / "list.txt")
    asked = load("smoke", subset=listed, nets=["squeezenet1_1"])
    assert names_of(asked) == ["test-00007", "test-00002"]
    assert names_of(load("smoke", subset=listed, nets=["squeezenet1_1"], images=1)) == ["test-00007"]
    assert header(plan(asked, "cpu"))["data"]["images"] == ["test-00007", "test-00002"]


def test_a_suite_may_name_its_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("test-00004\ntest-00001\ntest-00003\n")
    (tmp_path / "mine.toml").write_text(
        f'dataset = "scenes[size=64]"\nsubset = "{tmp_path / "list.txt"}"\nnets = ["squeezenet1_1"]\n'
        'methods = ["random"]\nmetrics = ["average_drop"]\n'
    )
    assert names_of(load(str(tmp_path / "mine.toml"))) == ["test-00004", "test-00001", "test-00003"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("test-7\n", "the data set has no image 'test-7'; its images are named as 'test-00000' is"),
        ("\n", "names no image: write the name of an image a line"),
        ("test-00001\ntest-00001\n", "names 'test-00001' twice: an image is taken once"),
        (None, "there is no file"),
    ],
)
def test_a_wrong_list_is_said(tmp_path: Path, text: str | None, said: str) -> None:
    listed = tmp_path / "list.txt"
    if text is not None:
        listed.write_text(text)
    done = bench("run", *CHEAP, "--subset", listed, "--out", tmp_path / "run")
    assert done.exit_code == 2 and said in done.stderr
