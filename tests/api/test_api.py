"""cambench from Python: the examples of its docstrings, and what they leave out."""

import doctest
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Picture
from torch import Tensor

import cambench
from cambench import Explanation, Net, Run, UsageError, explain, explain_all, load, load_net, panel, score
from cambench.bench.api import api
from cambench.datasets import scenes

IMAGE = scenes.load(size=64)[0]


@pytest.fixture(scope="module")
def net() -> Net:
    return load_net("squeezenet1_1", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return cambench.run(
        "scenes", nets=["squeezenet1_1", "vgg16"], methods=["cam", "random"], metrics=["deletion", "pointing"], images=2,
        dataset="scenes[size=64]", precision="fp32", out=tmp_path_factory.mktemp("api") / "run", quiet=True,
    )  # fmt: skip


def test_the_examples_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(api)
    assert found.attempted and not found.failed


def test_importing_the_package_loads_neither_torch_nor_pandas() -> None:
    code = "import sys, cambench; dir(cambench); print([one for one in ('torch', 'pandas', 'numpy') if one in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    assert all(getattr(cambench, name) is not None for name in cambench.__all__)
    assert set(cambench.__all__) == set(cambench._MODULES)
    assert set(cambench.__all__) <= set(dir(cambench))
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        cambench.explian  # type: ignore[attr-defined]  # noqa: B018


def test_a_map_scored_alone_has_the_scores_of_its_method(net: Net) -> None:
    found = explain(IMAGE, net, method="layer_cam", target=2)
    assert isinstance(found, Explanation) and found.raw is not None
    assert score(found.raw, IMAGE, net, target=2) == pytest.approx(found.scores)
    assert score(-found.raw, IMAGE, net, target=2) != pytest.approx(found.scores)


def test_a_map_alone_has_no_score_by_what_asks_the_method_again(net: Net) -> None:
    assert score(np.eye(7), IMAGE, net, metrics=["gini", "max_sensitivity"]).keys() == {"gini"}


def test_a_function_is_a_method(net: Net) -> None:
    def mean_activation(net: Net, images: Tensor, targets: Tensor) -> Tensor:
        return net.features(images).mean(1)

    found = explain_all(IMAGE, net, methods=[mean_activation, "cam"], metrics=["gini"])
    assert [one.method for one in found] == ["mean_activation", "cam"]
    batch = torch.tensor(IMAGE.pixels).permute(2, 0, 1)[None].float() / 255
    np.testing.assert_allclose(found[0].raw, net.features(batch).mean(1)[0], atol=1e-6)


def test_a_picture_an_array_and_a_file_are_images(net: Net, tmp_path: Path) -> None:
    pixels = scenes.load(size=96)[0].pixels
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    file, picture = (
        explain(one, net, size=64, metrics=["gini"]) for one in (tmp_path / "a.png", Picture.fromarray(pixels))
    )
    np.testing.assert_array_equal(file.image.pixels, picture.image.pixels)
    assert file.image.pixels.shape == (64, 64, 3)
    np.testing.assert_array_equal(explain(pixels, net, metrics=["gini"]).image.pixels, pixels)


def test_what_is_no_image_is_refused(net: Net) -> None:
    with pytest.raises(UsageError, match=r"an image is an array \(h, w, 3\) of bytes"):
        explain(np.zeros((3, 8, 8), dtype=np.uint8), net)
    with pytest.raises(UsageError, match="layer: a net that is loaded has its own"):
        explain(IMAGE, net, layer="features.9")


def test_a_run_is_read_as_frames(small: Run) -> None:
    assert len(small.scores) == 2 * 2 * 2 * 2
    assert {"shares", "scores"} <= set(small.curves)
    assert (small.cost["seconds"] > 0).all() and small.predictions["net"].nunique() == 2
    mean = small.scores.query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")["value"].mean()
    row = small.summary().query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")
    assert row["mean"].item() == pytest.approx(mean)
    assert load(small.directory).summary().equals(small.summary())
    assert "<table" in small._repr_html_()


def test_a_runs_curve_is_the_mean_of_its_images(small: Run) -> None:
    (plot,) = small.curve("deletion").axes
    lines = {str(line.get_label()): line.get_ydata() for line in plot.lines}
    own = small.curves.query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")["scores"]
    np.testing.assert_allclose(np.asarray(lines["cam"]), (own.iloc[0] + own.iloc[1]) / 2)
    assert list(lines) == ["cam", "random"]
    with pytest.raises(UsageError, match="no curve of a metric 'pointing'"):
        small.curve("pointing")


def test_a_runs_panel_shows_its_maps(small: Run) -> None:
    shown = small.panel("vgg16", images=1)
    texts = [
        text.get_text().replace("\n", " ")
        for text in [*shown.texts, *(one for plot in shown.axes for one in plot.texts)]
    ]
    assert any("not applicable: no global pooling" in text for text in texts)
    pictures = [np.asarray(plot.images[0].get_array()) for plot in small.panel(methods=["cam"], images=1).axes]
    photo, drawn, overlay = (picture.astype(float) for picture in pictures)
    np.testing.assert_allclose(overlay, 0.45 * photo + 0.55 * drawn, atol=1)
    with pytest.raises(UsageError, match="the run has no method 'cams': did you mean 'cam'"):
        small.panel(methods=["cams"])


def test_a_live_module_is_a_net_and_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, 4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    ).train()
    about = {"layer": "1", "classes": ["cat", "dog", "cow"], "preprocess": "none", "device": "cpu", "precision": "fp32"}
    found = explain(IMAGE, module, target="dog", metrics=["average_drop"], **about)
    batch = torch.tensor(IMAGE.pixels).permute(2, 0, 1)[None].float() / 255
    assert found.target.probability == pytest.approx(module(batch).softmax(-1)[0, 1].item(), abs=1e-6)
    assert found.applies and found.layer == "1" and module.training and not module[0]._forward_hooks
    with pytest.raises(UsageError, match=r"of a net by name this stands in its spec, vgg16\[classes=...\]"):
        load_net("vgg16", classes=["cat"])


def test_an_arrow_says_which_way_is_better(net: Net) -> None:
    found = explain(IMAGE, net, method="random", metrics=["road", "deletion", "region_perturbation"])
    assert [str(one)[-1] for one in found.scored] == ["↑", "↓", "↑"]


def test_each_array_has_its_own_row_in_a_panel(net: Net) -> None:
    images = [np.full((size, size, 3), 90, np.uint8) for size in (64, 64, 96)]
    found = [explain(image, net, method="random", target=2, metrics=["gini"]) for image in images]
    assert len([axes for axes in panel(found).axes if axes.get_images()]) == 3 + 3 + 2 * 1  # alike ones share a photo
    with pytest.raises(UsageError, match="there is no explanation to draw"):
        panel([])


def test_a_loaded_net_is_not_explained_by_a_protocol_of_another_layer() -> None:
    loaded = load_net("vgg16", device="cpu", precision="fp32")
    with pytest.raises(UsageError, match=r"vgg16 is loaded at features.29, not where torchcam explains it: load_net"):
        explain(IMAGE, loaded, protocol="torchcam")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda net: explain(None, net), "an image is a file, PIL's picture, an array of bytes"),
        (lambda _: load_net(3), "a net is a spec, such as vgg16, or a torch.nn.Module, not int"),
        (lambda _: load_net("vgg16", precision="fp17"), "there is no precision 'fp17': did you mean 'fp16'"),
        (lambda _: load_net(torch.nn.Conv2d(3, 2, 3), weights="x"), "weights: of a module is told name, classes"),
        (lambda net: score(np.full((4, 4), np.nan), IMAGE, net), "a map is an array .* of finite numbers"),
        (lambda net: score(np.zeros(4), IMAGE, net), "of finite numbers, not float64 of shape"),
        (lambda net: explain(IMAGE, net, metrics=["gini"]).overlay(opacity=-1), "opacity -1 is not between 0 and 1"),
        (lambda net: explain(IMAGE, net, metrics=["gini"]).overlay(colours="nope"), "there are no colours 'nope'"),
    ],
)  # fmt: skip
def test_what_is_given_wrongly_is_told(net: Net, call: Callable[[Net], object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        call(net)


def test_one_of_a_kind_may_stand_alone(net: Net) -> None:
    (found,) = explain_all(IMAGE, net, methods="random", targets="top1", metrics=["gini"])
    assert panel(found).axes
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    assert load_net(module, mean=0.5, std=[0.5, 0.5, 0.5], layer="0", device="cpu").layer == "0"


def test_a_run_is_shown_in_a_line(small: Run) -> None:
    assert repr(small) == f"<run {small.directory}: 2 images, 2 nets, 2 methods, 2 metrics>"


def test_a_callable_object_is_a_method(net: Net) -> None:
    class Flat:
        def __call__(self, _net: Net, images: Tensor, _targets: Tensor) -> Tensor:
            return torch.ones(len(images), 2, 2)

    assert explain(IMAGE, net, method=Flat(), metrics=["gini"]).method == "Flat"
