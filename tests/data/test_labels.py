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
from cambench.bench.data.labels import find_missing_classes, find_order_fault, has_two_orders, map_labels
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


def test_numbers_are_matched_whatever_their_zeros() -> None:
    assert map_labels(with_classes("00", "01", "11"), [str(index) for index in range(12)]) == {0: 0, 1: 1, 2: 11}


def test_wordnet_ids_are_classes_of_nets_with_a_thousand_classes() -> None:
    """ImageNet's own order, whatever other ids the data set lacks."""
    images = with_classes("n15075141", "n01440764", "n02102040")
    assert map_labels(images, [str(index) for index in range(1000)]) == {0: 999, 1: 0, 2: 217}
    assert map_labels(images, [str(index) for index in range(999)]) == {}


SORTED = sorted(str(number) for number in range(12))  # 0, 1, 10, 11, 2, ...
CLASSES = [str(index) for index in range(12)]


def test_labels_are_numbered_by_name_or_by_position() -> None:
    images = with_classes(*SORTED)
    assert map_labels(images, CLASSES) == {label: int(name) for label, name in enumerate(SORTED)}
    assert map_labels(images, CLASSES, "position") == {index: index for index in range(12)}
    assert map_labels(with_classes("cat", "dog", "emu"), ["0", "1"], "position") == {0: 0, 1: 1}
    assert find_missing_classes(with_classes("cat", "dog", "emu"), ["0", "1"], "position") == ["emu"]


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (SORTED, CLASSES, True),
        (SORTED, SORTED, False),  # the net's classes have the names of the folders
        (["3", "7"], CLASSES, True),
        (["0", "1", "2"], CLASSES, False),
        (["00", "01", "02"], CLASSES, False),
        (["cat", "dog"], CLASSES, False),
        ([*SORTED, "cat"], CLASSES, False),
        ([], CLASSES, False),
    ],
)
def test_two_orders_are_found_where_numbers_are_no_positions(
    names: list[str], classes: list[str], expected: bool
) -> None:
    assert has_two_orders(names, classes) == expected


IDS = ("n01440764", "n02102040")  # of ImageNet's classes 0 and 217


@pytest.mark.parametrize(
    ("names", "classes", "fault"),
    [
        (("cat", "dog"), ["dog", "cat"], "its class 'cat' would be the net's class 0, which is named 'dog'"),
        (("cat", "dog"), ["cat", "emu"], "its class 'dog' would be the net's class 1, which is named 'emu'"),
        (
            IDS,
            [str(index) for index in range(1000)],
            "its class 'n02102040' would be the net's class 1, which is named '1'",
        ),
        ((), ["0", "1"], "its labels have no names, or it has no labels, so they have no positions either"),
        (("cat", "dog"), ["Cat", "dog", "emu"], None),  # the names say the same
        (("cat", "dog"), ["0", "1"], None),
        (tuple(SORTED), CLASSES, None),
        (("3", "7"), ["cat", "dog"], None),
    ],
)
def test_positions_that_contradict_names_are_a_fault(
    names: tuple[str, ...], classes: list[str], fault: str | None
) -> None:
    assert find_order_fault(names, classes, "position") == fault
    assert find_order_fault(names, classes, "name") is None


def test_a_run_by_position_is_refused_where_it_contradicts_names(tmp_path: Path) -> None:
    dataset = f"image_folder[path={write_photos(tmp_path / 'photos', 'star', 'zebra', count=1)},size=64]"
    result = bench("run", *CHEAP, "--dataset", dataset, "--label-order", "position", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "cannot be numbered by position on squeezenet1_1: its class 'zebra' would be" in result.stderr


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


NET = """
import torch
from torch import nn

class Red(nn.Module):
    # Class c where the red of the image, which is flat, is 20 * c.
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU())
        self.head = nn.Linear(1, 12)
        index = torch.arange(12.0)
        self.body[0].weight.data[:] = torch.tensor([255 / 20, 0, 0]).view(1, 3, 1, 1)
        self.body[0].bias.data.zero_()
        self.head.weight.data[:, 0] = 2 * index
        self.head.bias.data[:] = -index * index

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))

def make():
    return Red()
"""


@pytest.mark.parametrize("target", ["predicted", "label"])
def test_the_run_says_how_many_labels_agree_under_each_order(tmp_path: Path, target: str) -> None:
    """The net knows 9 of the 12 folders by their positions, and 3 by their names; 0 and 1 by both."""
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    classes = {name: position for position, name in enumerate(SORTED)} | {"9": 9, "2": 0, "10": 0}
    for name, index in classes.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (16, 16), (20 * index, 0, 0)).save(tmp_path / "photos" / name / "a.png")
    by_name = sum(int(name) == index for name, index in classes.items())
    by_position = sum(SORTED.index(name) == index for name, index in classes.items())
    assert (by_name, by_position) == (3, 9)
    options = ["--nets", f"{tmp_path}/net.py:make", "--preprocess", "none", "--methods", "centre", "--metrics", "gini"]
    options += ["--dataset", f"image_folder[path={tmp_path}/photos,size=16]", "--target", target]
    for order, chosen, other in (("name", by_name, by_position), ("position", by_position, by_name)):
        out = tmp_path / order
        result = bench("run", *options, *([] if order == "name" else ["--label-order", order]), "--out", out)
        output = " ".join(result.output.split())
        (another,) = {"name", "position"} - {order}
        assert result.exit_code == 0, output
        assert (
            f"{chosen} of 12 labels agree with the prediction; with --label-order {another}, {other} of these 12 would"
            in output
        )
        assert f"top-1 {chosen} of 12" in output
        run = store.open_run(out)
        assert run.header.suite.label_order == order
        assert ("label order" in run.header.protocols["gini"]) == (order == "position" and target == "label")
        assert int(run.table("predictions")["top1"].sum()) == chosen
        assert f"{chosen} of 12 labels agree" in (out / "report.html").read_text(encoding="utf-8")


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
