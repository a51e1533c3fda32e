"""bench explain: its numbers are those of a run, its targets the classes named, its files where the user wants them."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture

import cambench
from cambench.bench.api import explain
from cambench.bench.api.explanation import Explanation, panel
from cambench.bench.config.protocol import find_protocol
from cambench.bench.core.errors import UsageError
from cambench.bench.data.photos import read_photo
from cambench.bench.nets.net import Net
from cambench.bench.run import targets
from cambench.bench.scoring.postprocess import postprocess
from cambench.bench.show.overlay import colour_map, overlay_map
from cambench.bench.store import run as store
from cambench.datasets.scenes import load as scenes
from cambench.tests.support.cli import bench, refused

NET = ["--net", "squeezenet1_1", "--size", "64", "--precision", "fp32"]
QUICK = [*NET, "--metrics", "average_drop"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for index, name in enumerate(("a", "b")):
        Picture.fromarray(scenes(size=96)[index].pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def explain_json(*arguments: object) -> list[dict[str, Any]]:
    """The records that `bench explain --json` prints, one for each image."""
    result = bench("explain", *arguments, "--json")
    assert result.exit_code == 0
    records: list[dict[str, Any]] = json.loads(result.stdout)
    return records


@pytest.mark.parametrize("protocol", ["default", "torchcam", "rise[target=predicted]"])
def test_the_numbers_are_those_of_a_run(photos: Path, here: Path, protocol: str) -> None:
    methods = "cam,layer_cam,random"
    dataset = f"image_folder[path={photos},size=64]"
    run = ["--nets", "squeezenet1_1", "--dataset", dataset, "--precision", "fp32", "--protocols", protocol]
    run += ["--metrics", "insertion,deletion"]
    assert bench("run", *run, "--methods", methods, "--out", here / "run").exit_code == 0
    rows = store.open_run(here / "run").table("scores").set_index(["image", "method", "metric"])["value"]
    suffix = "" if protocol == "default" else f"@{protocol}"
    for record in explain_json(photos / "a.png", photos / "b.png", *NET, "--method", methods, "--protocol", protocol):
        for explanation in record["explanations"]:
            for metric in ("insertion", "deletion"):
                expected = rows[Path(record["image"]).name, explanation["method"], metric + suffix]
                value = explanation["scores"].get(metric, float("nan"))
                assert value == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert rows.notna().sum() >= 8


def test_the_probabilities_are_those_of_the_net(photos: Path, here: Path) -> None:
    (record,) = explain_json(photos / "a.png", *QUICK)
    net = explain.load_net("squeezenet1_1", None, find_protocol("default"), "cpu", "fp32")
    pixels = read_photo(photos / "a.png", size=64).pixels
    logits = net(torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255)[0]
    expected = logits.softmax(-1).sort(descending=True, stable=True)
    assert [guess["index"] for guess in record["top"]] == expected.indices[:5].tolist()
    assert [guess["probability"] for guess in record["top"]] == pytest.approx(expected.values[:5].tolist(), abs=1e-6)
    assert [guess["name"] for guess in record["top"]] == [net.classes[guess["index"]] for guess in record["top"]]


def test_each_target_has_its_own_map(photos: Path, here: Path) -> None:
    (record,) = explain_json(photos / "a.png", *QUICK, "--target", "top1,top2,7,HEART,top1", "--maps")
    classes = [explanation["target"]["index"] for explanation in record["explanations"]]
    likeliest = [guess["index"] for guess in record["top"]]
    assert classes == list(dict.fromkeys([*likeliest[:2], 7, 9]))
    with np.load(record["files"][1]) as maps:
        assert {f"grad_cam {index}" for index in classes} | {"image"} == set(maps)
        assert maps["image"].shape == (64, 64, 3)
        assert not np.allclose(maps[f"grad_cam {classes[0]}"], maps[f"grad_cam {classes[1]}"])


def test_the_map_is_fitted_as_it_is_scored(explained: list[Explanation]) -> None:
    explanation = explained[0]
    assert explanation.raw is not None and explanation.map is not None
    assert (
        explanation.raw.shape != explanation.map.shape and explanation.map.shape == explanation.image.pixels.shape[:2]
    )
    expected = postprocess(torch.from_numpy(explanation.raw)[None], (64, 64), find_protocol("default"))[0]
    np.testing.assert_allclose(explanation.map, expected, atol=1e-6)
    assert explanation.map.min() == 0 and explanation.map.max() == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("sta", "no class 'sta': did you mean 'star'?"),
        ("zebra", "there are: star, ring, cross"),
        ("10", "no class 10: the net has the classes 0 to 9"),
        ("top6", "no target top6: top1 to top5"),
        ("top0", "no target top0"),
    ],
)
def test_a_target_that_does_not_exist_is_refused(photos: Path, here: Path, target: str, message: str) -> None:
    assert message in refused("explain", photos / "a.png", *QUICK, "--target", target)


def test_a_name_that_two_classes_share_is_refused() -> None:
    with pytest.raises(UsageError, match="'crane' is the name of 2 classes: give an index, 1 or 2"):
        targets.find_target("crane", [0], ["bird", "crane", "Crane"])


def test_a_number_that_is_the_index_of_one_class_and_the_name_of_another_is_refused() -> None:
    classes = ["0", "1", "10", "2"]  # the order of folders
    with pytest.raises(UsageError, match="2 is the name of class 3 and the index of another: write index3 or index2"):
        targets.find_target("2", [0], classes)
    assert [targets.find_target(name, [0], classes) for name in ("0", "index2", "index3", "10", "3")] == [0, 2, 3, 2, 3]
    assert targets.find_target("index1", [0], ["index1", "index0"]) == 1, "index1 is an index, whatever the names"
    with pytest.raises(UsageError, match="'1' is the name of 2 classes: give an index, 1 or 2"):
        targets.find_target("1", [0], ["0", "1", "1"])


def test_a_number_from_python_is_the_index_of_a_class_whatever_the_names() -> None:
    image = cambench.load_dataset("scenes[size=64]")[0]
    net = cambench.load_net("squeezenet1_1", precision="fp32")
    net.classes = ("0", "1", "10", "2", *map(str, range(3, 9)))
    explanation = cambench.explain(image, net, method="cam", target=2, metrics=["average_drop"])
    assert (explanation.target.index, explanation.target.name) == (2, "10")
    scores = cambench.score(explanation, image, net, metrics=["average_drop"])
    assert scores["average_drop"] == pytest.approx(explanation.scores["average_drop"])


@pytest.mark.parametrize("spec", ["resnet18", "resnet18[layer=layer3]", "resnet18[scores=sigmoid]"])
def test_that_a_net_knows_scenes_only_is_said_whatever_its_settings(spec: str) -> None:
    assert any("it was trained on the data set scenes only" in note for note in cambench.load_net(spec).notes)


def test_a_function_that_ignores_its_seeds_gives_an_image_the_same_map() -> None:
    image, net = cambench.load_dataset("scenes[size=64]")[0], cambench.load_net("squeezenet1_1", precision="fp32")

    def noise(net: Net, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        images += 1
        return torch.rand(len(images), 4, 4)

    state = torch.get_rng_state()
    maps = [cambench.explain(image, net, method=noise, metrics=["gini"]).raw for _ in range(2)]
    assert np.array_equal(*maps) and torch.equal(torch.get_rng_state(), state)


def test_an_unknown_class_among_many_gets_similar_names_suggested() -> None:
    classes = ["tabby", "tiger cat", *(f"thing {index}" for index in range(100))]
    with pytest.raises(UsageError, match="did you mean 'tiger cat'"):
        targets.find_target("cat", [0], classes)
    with pytest.raises(UsageError, match="write one of the net's 102 names"):
        targets.find_target("qqq", [0], classes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png"], "there is no file nowhere.png"),
        (["."], ". is a folder: name its images, such as ./*"),
        (["a.png", "--colours", "virdis"], "there is no colour map 'virdis': did you mean 'viridis'?"),
        (["a.png", "--out", "a.xyz"], "a.xyz is not a picture file"),
        (["a.png", "--out", "a.png"], "--out a.png is the photo itself, which would be overwritten"),
        (["a.png", "b.png", "--out", "both.png"], "--out both.png is a file, and there are 2 images: name a folder"),
        (["a.png", "b.png", "--out", "a.png"], "--out a.png is a file, and there are 2 images: name a folder"),
        (["a.png", "--weights", ""], "--weights is empty: give a value, or leave the option out"),
        (["a.png", "--size", "16"], "squeezenet1_1 cannot take images of 16 x 16"),
        (["a.png", "--method", "grad_cams"], "there is no method 'grad_cams': did you mean 'grad_cam'?"),
        (["a.png", "--layer", "features[99]"], "there is no layer 'features.99'"),
        (["a.png", "--metrics", "insertions"], "insertions"),
        (["a.png", "--method", ","], "--method is empty"),
    ],
)
def test_a_wrong_argument_is_refused(photos: Path, here: Path, arguments: list[str], message: str) -> None:
    for name in ("a.png", "b.png"):
        (here / name).write_bytes((photos / "a.png").read_bytes())
    assert message in refused("explain", *NET, *arguments)
    assert not (here / "both.png").exists()


def test_a_text_file_is_refused_as_a_photo(here: Path) -> None:
    (here / "notes.txt").write_text("no picture", encoding="utf-8")
    assert "notes.txt cannot be read as an image" in refused("explain", "notes.txt", *NET)


def test_what_should_be_said_of_a_photo_is_among_the_notes(here: Path) -> None:
    """The file's name is not UTF-8, which stops nothing."""
    dark = Picture.fromarray(np.full((64, 64), 4095, np.uint16))
    file = here / os.fsdecode(b"caf\xe9.png")
    dark.save(file)
    (record,) = explain_json(file, *QUICK, "--method", "centre")
    assert [note for note in record["notes"] if "no pixel uses the upper 4 of 16 bits" in note]


def test_a_layer_can_be_written_with_brackets(photos: Path, here: Path) -> None:
    (record,) = explain_json(photos / "a.png", *QUICK, "--layer", "features[9]")
    assert record["layer"] == "features.9"


def test_pictures_with_default_names_overwrite_nothing(photos: Path, here: Path) -> None:
    first = bench("explain", photos / "a.png", photos / "b.png", *QUICK)
    assert "picture: explain/a.png" in first.stdout and "picture: explain/b.png" in first.stdout
    before = (here / "explain/a.png").read_bytes()
    assert "picture: explain/a-2.png" in bench("explain", photos / "a.png", *QUICK, "--target", "top2").stdout
    assert (here / "explain/a.png").read_bytes() == before != (here / "explain/a-2.png").read_bytes()


def test_pictures_are_written_to_the_file_or_folder_of_out(photos: Path, here: Path) -> None:
    for _ in range(2):
        (record,) = explain_json(photos / "a.png", *QUICK, "--out", "mine.svg")
        assert record["files"] == ["mine.svg"]
    assert "grad_cam" in (here / "mine.svg").read_text(encoding="utf-8")
    files = [record["files"] for record in explain_json(photos / "a.png", photos / "b.png", *QUICK, "--out", "there")]
    assert files == [["there/a.png"], ["there/b.png"]]


def test_a_method_that_does_not_apply_says_why(photos: Path, here: Path) -> None:
    options = [
        "--net",
        "vgg16",
        "--size",
        "64",
        "--precision",
        "fp32",
        "--method",
        "cam,random",
        "--metrics",
        "deletion",
    ]
    result = bench("explain", photos / "a.png", *options, "--out", "one.svg")
    assert "cam: not applicable: no global pooling" in " ".join(result.stdout.split())
    svg = (here / "one.svg").read_text(encoding="utf-8")
    assert "not applicable: no global" in svg and "delete" in svg


def test_the_terminal_shows_classes_and_scores_in_80_columns(photos: Path, here: Path) -> None:
    output = bench("explain", photos / "a.png", *NET, "--method", "cam,grad_cam", "--target", "top1,top2").stdout
    (record,) = explain_json(photos / "a.png", *NET, "--method", "cam,grad_cam", "--target", "top1,top2")
    assert all(guess["name"] in output for guess in record["top"])
    assert "for photos use squeezenet1_1@imagenet" in " ".join(output.split())
    assert "drop ↓" in output and "insert ↑" in output and "delete ↓" in output
    table = [line for line in output.splitlines() if line.startswith("  ")]
    assert len(table) == 1 + 1 + 5 + 1 + 4 and max(map(len, table)) <= 80


@pytest.fixture(scope="module")
def explained(photos: Path) -> list[Explanation]:
    question = explain.make_setup(["cam", "random"], ["deletion"])
    net: Net = explain.load_net("squeezenet1_1", None, question.protocol, "cpu", "fp32")
    return explain.explain(read_photo(photos / "a.png", size=64), net, ["top1", "top2"], question)


def test_the_panel_shows_photo_map_and_overlay(explained: list[Explanation]) -> None:
    explanation = explained[0]
    assert explanation.map is not None
    pictures = [axes.images[0].get_array() for axes in panel(explained).axes if axes.images]
    assert len(pictures) == 2 * (
        1 + 2 * 2
    )  # for each of two classes: the photo, and the map and overlay of two methods
    overlay = overlay_map(explanation.image.pixels, explanation.map)
    expected_pictures = (explanation.image.pixels, colour_map(explanation.map), overlay)
    for picture, expected in zip(pictures, expected_pictures, strict=False):
        np.testing.assert_array_equal(np.asarray(picture), expected)
    texts = [text.get_text() for text in panel(explained).texts]
    assert explanation.target.name in texts and str(explanation.results[0]) in texts


def test_the_user_chooses_opacity_and_colours(explained: list[Explanation]) -> None:
    explanation = explained[0]
    assert explanation.map is not None
    np.testing.assert_array_equal(explanation.overlay(opacity=0), explanation.image.pixels)
    grey = np.repeat(explanation.map[:, :, None] * 255.0, 3, axis=2)
    for opacity in (0.5, 1.0):
        cover = opacity * explanation.map[:, :, None]
        expected = explanation.image.pixels + cover * (grey - explanation.image.pixels)
        assert np.abs(explanation.overlay("gray", opacity) - expected).max() <= 1.5


def test_a_notebook_shows_the_panel(explained: list[Explanation]) -> None:
    assert explained[0]._repr_png_().startswith(b"\x89PNG")
    assert 'src="data:image/png;base64,' in explained[0]._repr_html_()
    assert "delete" in explained[0]._repr_html_()


def test_a_photograph_is_explained_for_a_class_by_name(real_data: Path, here: Path) -> None:
    (record,) = explain_json(real_data / "images/ILSVRC2012_val_00000355.JPEG", "--target", "chow,top2")
    assert record["net"] == "squeezenet1_1@imagenet" and record["top"][0]["name"] == "chow"
    assert [explanation["target"]["name"] for explanation in record["explanations"]] == ["chow", "Pomeranian"]
    assert record["files"] == ["explain/ILSVRC2012_val_00000355.png"]


def test_of_several_photos_those_that_can_be_read_are_explained(photos: Path, here: Path) -> None:
    damaged = here / "damaged.png"
    damaged.write_bytes((photos / "a.png").read_bytes()[:200])
    result = bench("explain", photos / "a.png", damaged, photos / "b.png", *QUICK, "--method", "centre", "--json")
    assert result.exit_code == 3
    assert [record["image"] for record in json.loads(result.stdout)] == [str(photos / "a.png"), str(photos / "b.png")]
    assert result.stderr.startswith(f"bench: {damaged} failed: {damaged} cannot be read as an image")
    assert result.stderr.count("\n") == 1
    assert bench("explain", damaged, *QUICK).exit_code == 2
