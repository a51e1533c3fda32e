"""The picture of one decision: its numbers are those of a run, its targets the classes meant, its files where asked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from cambench.bench.api import explain
from cambench.bench.api.explanation import Explanation, panel
from cambench.bench.config.protocol import find
from cambench.bench.core.errors import UsageError
from cambench.bench.data.photos import photo
from cambench.bench.nets.net import Net
from cambench.bench.scoring.postprocess import bring
from cambench.bench.show.overlay import coloured, laid_over
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


def told(*arguments: object) -> list[dict[str, Any]]:
    result = bench("explain", *arguments, "--json")
    assert result.exit_code == 0
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("protocol", ["default", "torchcam", "rise[target=predicted]"])
def test_the_numbers_are_those_of_a_run(photos: Path, here: Path, protocol: str) -> None:
    methods = "cam,layer_cam,random"
    dataset = f"image_folder[path={photos},size=64]"
    run = ["--nets", "squeezenet1_1", "--dataset", dataset, "--precision", "fp32", "--protocols", protocol]
    run += ["--metrics", "insertion,deletion"]
    assert bench("run", *run, "--methods", methods, "--out", here / "run").exit_code == 0
    rows = store.read(here / "run").table("scores").set_index(["image", "method", "metric"])["value"]
    tail = "" if protocol == "default" else f"@{protocol}"
    for one in told(photos / "a.png", photos / "b.png", *NET, "--method", methods, "--protocol", protocol):
        for own in one["explanations"]:
            for metric in ("insertion", "deletion"):
                known = rows[Path(one["image"]).name, own["method"], metric + tail]
                assert own["scores"].get(metric, float("nan")) == pytest.approx(known, abs=1e-6, nan_ok=True)
    assert rows.notna().sum() >= 8


def test_the_probabilities_are_the_nets(photos: Path, here: Path) -> None:
    (one,) = told(photos / "a.png", *QUICK)
    net = explain.load("squeezenet1_1", None, find("default"), "cpu", "fp32")
    pixels = photo(photos / "a.png", size=64).pixels
    known = (
        net(torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255)[0].softmax(-1).sort(descending=True, stable=True)
    )
    assert [guess["index"] for guess in one["top"]] == known.indices[:5].tolist()
    assert [guess["probability"] for guess in one["top"]] == pytest.approx(known.values[:5].tolist(), abs=1e-6)
    assert [guess["name"] for guess in one["top"]] == [net.classes[guess["index"]] for guess in one["top"]]


def test_each_target_has_its_own_map(photos: Path, here: Path) -> None:
    (one,) = told(photos / "a.png", *QUICK, "--target", "top1,top2,7,HEART,top1", "--maps")
    classes = [own["target"]["index"] for own in one["explanations"]]
    likeliest = [guess["index"] for guess in one["top"]]
    assert classes == list(dict.fromkeys([*likeliest[:2], 7, 9]))
    with np.load(one["files"][1]) as maps:
        assert {f"grad_cam {index}" for index in classes} | {"image"} == set(maps)
        assert maps["image"].shape == (64, 64, 3)
        assert not np.allclose(maps[f"grad_cam {classes[0]}"], maps[f"grad_cam {classes[1]}"])


def test_the_map_is_fitted_as_it_is_scored(explained: list[Explanation]) -> None:
    own = explained[0]
    assert own.raw is not None and own.map is not None
    assert own.raw.shape != own.map.shape and own.map.shape == own.image.pixels.shape[:2]
    expected = bring(torch.from_numpy(own.raw)[None], (64, 64), find("default"))[0]
    np.testing.assert_allclose(own.map, expected, atol=1e-6)
    assert own.map.min() == 0 and own.map.max() == 1


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sta", "no class 'sta': did you mean 'star'?"),
        ("zebra", "there are: star, ring, cross"),
        ("10", "no class 10: the net has the classes 0 to 9"),
        ("top6", "no target top6: top1 to top5"),
        ("top0", "no target top0"),
    ],
)
def test_a_target_that_there_is_not_is_refused(photos: Path, here: Path, target: str, said: str) -> None:
    assert said in refused("explain", photos / "a.png", *QUICK, "--target", target)


def test_a_name_of_two_classes_is_refused() -> None:
    with pytest.raises(UsageError, match="'crane' names 2 classes: take an index, 1 or 2"):
        explain.target_of("crane", [0], ["bird", "crane", "Crane"])


def test_among_many_classes_the_similar_are_named() -> None:
    classes = ["tabby", "tiger cat", *(f"thing {index}" for index in range(100))]
    with pytest.raises(UsageError, match="did you mean 'tiger cat'"):
        explain.target_of("cat", [0], classes)
    with pytest.raises(UsageError, match="write one of the net's 102 names"):
        explain.target_of("qqq", [0], classes)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.png"], "there is no file nowhere.png"),
        (["."], ". is a folder: name its images, such as ./*"),
        (["a.png", "--colours", "virdis"], "there are no colours 'virdis': did you mean 'viridis'?"),
        (["a.png", "--out", "a.xyz"], "a.xyz is no name of a picture"),
        (["a.png", "--out", "a.png"], "--out a.png is the photo itself, which would be lost"),
        (["a.png", "--weights", ""], "--weights is empty: name something, or leave it out"),
        (["a.png", "--size", "16"], "squeezenet1_1 cannot take images of 16 x 16"),
        (["a.png", "--method", "grad_cams"], "there is no method 'grad_cams': did you mean 'grad_cam'?"),
        (["a.png", "--layer", "features[99]"], "there is no layer 'features.99'"),
        (["a.png", "--metrics", "insertions"], "insertions"),
        (["a.png", "--method", ","], "--method names none"),
    ],
)
def test_what_is_asked_wrongly_is_refused(photos: Path, here: Path, arguments: list[str], said: str) -> None:
    (here / "a.png").write_bytes((photos / "a.png").read_bytes())
    assert said in refused("explain", *NET, *arguments)


def test_a_text_is_no_photo(here: Path) -> None:
    (here / "notes.txt").write_text("no picture")
    assert "notes.txt cannot be read as an image" in refused("explain", "notes.txt", *NET)


def test_the_layer_may_be_written_as_in_python(photos: Path, here: Path) -> None:
    (one,) = told(photos / "a.png", *QUICK, "--layer", "features[9]")
    assert one["layer"] == "features.9"


def test_pictures_that_the_user_did_not_name_replace_nothing(photos: Path, here: Path) -> None:
    first = bench("explain", photos / "a.png", photos / "b.png", *QUICK)
    assert "picture: explain/a.png" in first.stdout and "picture: explain/b.png" in first.stdout
    before = (here / "explain/a.png").read_bytes()
    assert "picture: explain/a-2.png" in bench("explain", photos / "a.png", *QUICK, "--target", "top2").stdout
    assert (here / "explain/a.png").read_bytes() == before != (here / "explain/a-2.png").read_bytes()


def test_pictures_that_the_user_named_are_written_there(photos: Path, here: Path) -> None:
    for _ in range(2):
        (one,) = told(photos / "a.png", *QUICK, "--out", "mine.svg")
        assert one["files"] == ["mine.svg"]
    assert "grad_cam" in (here / "mine.svg").read_text()
    files = [one["files"] for one in told(photos / "a.png", photos / "b.png", *QUICK, "--out", "there")]
    assert files == [["there/a.png"], ["there/b.png"]]


def test_a_method_that_does_not_apply_says_why(photos: Path, here: Path) -> None:
    asked = ["--net", "vgg16", "--size", "64", "--precision", "fp32", "--method", "cam,random", "--metrics", "deletion"]
    result = bench("explain", photos / "a.png", *asked, "--out", "one.svg")
    assert "cam: not applicable: no global pooling" in " ".join(result.stdout.split())
    drawn = (here / "one.svg").read_text()
    assert "not applicable: no global" in drawn and "delete" in drawn


def test_the_terminal_shows_classes_and_scores_in_80_columns(photos: Path, here: Path) -> None:
    found = bench("explain", photos / "a.png", *NET, "--method", "cam,grad_cam", "--target", "top1,top2").stdout
    (one,) = told(photos / "a.png", *NET, "--method", "cam,grad_cam", "--target", "top1,top2")
    assert all(guess["name"] in found for guess in one["top"])
    assert "for photos take squeezenet1_1@imagenet" in " ".join(found.split())
    assert "drop ↓" in found and "insert ↑" in found and "delete ↓" in found
    table = [line for line in found.splitlines() if line.startswith("  ")]
    assert len(table) == 1 + 1 + 5 + 1 + 4 and max(map(len, table)) <= 80


@pytest.fixture(scope="module")
def explained(photos: Path) -> list[Explanation]:
    asked = explain.ask(["cam", "random"], ["deletion"])
    net: Net = explain.load("squeezenet1_1", None, asked.protocol, "cpu", "fp32")
    return explain.explain(photo(photos / "a.png", size=64), net, ["top1", "top2"], asked)


def test_the_panel_shows_photo_map_and_overlay(explained: list[Explanation]) -> None:
    own = explained[0]
    assert own.map is not None
    shown = [plot.images[0].get_array() for plot in panel(explained).axes if plot.images]
    assert len(shown) == 2 * (1 + 2 * 2)  # of two classes the photo, and of two methods the map and the overlay
    for picture, expected in zip(
        shown, (own.image.pixels, coloured(own.map), laid_over(own.image.pixels, own.map)), strict=False
    ):
        np.testing.assert_array_equal(np.asarray(picture), expected)
    texts = [text.get_text() for text in panel(explained).texts]
    assert own.target.name in texts and str(own.scored[0]) in texts


def test_opacity_and_colours_are_the_users(explained: list[Explanation]) -> None:
    own = explained[0]
    assert own.map is not None
    np.testing.assert_array_equal(own.overlay(opacity=0), own.image.pixels)
    np.testing.assert_array_equal(own.overlay("gray", 1.0), coloured(own.map, "gray"))
    half = own.overlay("gray", 0.5).astype(int) - (own.image.pixels.astype(int) + coloured(own.map, "gray")) / 2
    assert np.abs(half).max() <= 1


def test_a_notebook_is_shown_the_panel(explained: list[Explanation]) -> None:
    assert explained[0]._repr_png_().startswith(b"\x89PNG")
    assert 'src="data:image/png;base64,' in explained[0]._repr_html_()
    assert "delete" in explained[0]._repr_html_()


def test_photographs_are_explained_by_name(real_data: Path, here: Path) -> None:
    (one,) = told(real_data / "images/ILSVRC2012_val_00000355.JPEG", "--target", "chow,top2")
    assert one["net"] == "squeezenet1_1@imagenet" and one["top"][0]["name"] == "chow"
    assert [own["target"]["name"] for own in one["explanations"]] == ["chow", "Pomeranian"]
    assert one["files"] == ["explain/ILSVRC2012_val_00000355.png"]
