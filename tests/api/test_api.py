"""The Python functions of cambench: the examples in their docstrings, and cases beyond these."""

import doctest
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_hex
from PIL import Image as Picture
from scipy.stats import t
from torch import Tensor, nn

import cambench
from cambench import BenchError, Explanation, Net, Run, UsageError, explain, explain_all, load, load_net, panel, score
from cambench.bench.api import api
from cambench.bench.conform import reference
from cambench.bench.core import plugins
from cambench.bench.core.plugins import REPORT
from cambench.datasets import scenes
from cambench.tests.support import runs

IMAGE = scenes.load(size=64)[0]


@pytest.fixture(scope="module")
def net() -> Net:
    return load_net("squeezenet1_1", device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return cambench.run(
        "scenes", nets=["squeezenet1_1", "vgg16"], methods=["cam", "random"], metrics=["deletion", "pointing"], images=2,
        dataset="scenes[size=64]", precision="fp32", out=tmp_path_factory.mktemp("api") / "run", quiet=True,
    )  # fmt: skip


def test_the_docstring_examples_give_what_they_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(api)
    assert result.attempted and not result.failed


def test_importing_the_package_loads_neither_torch_nor_pandas() -> None:
    code = "import sys, cambench; dir(cambench); print([name for name in ('torch', 'pandas', 'numpy') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(cambench, name) is not None for name in cambench.__all__)
    assert set(cambench.__all__) == set(cambench._MODULES)
    assert set(cambench.__all__) <= set(dir(cambench))
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        cambench.explian  # type: ignore[attr-defined]  # noqa: B018


def test_score_gives_a_map_the_scores_that_explain_gives_its_method(net: Net) -> None:
    explanation = explain(IMAGE, net, method="layer_cam", target=2)
    assert isinstance(explanation, Explanation) and explanation.raw is not None
    assert score(explanation.raw, IMAGE, net, target=2) == pytest.approx(explanation.scores)
    assert score(-explanation.raw, IMAGE, net, target=2) != pytest.approx(explanation.scores)
    assert score(explanation, IMAGE, net) == pytest.approx(explanation.scores)


def test_score_explains_the_class_of_the_explanation_unless_a_target_is_named(net: Net) -> None:
    explanation = explain(IMAGE, net, method="layer_cam", target="top2")
    other = score(explanation, IMAGE, net, target="top1")
    assert explanation.scores == pytest.approx(score(explanation, IMAGE, net)) != other
    assert other == score(explanation.raw, IMAGE, net, target="top1")


def test_score_needs_a_map_and_the_class_that_it_explains(net: Net) -> None:
    with pytest.raises(UsageError, match="needs the class that the map explains: set target"):
        score(np.eye(7), IMAGE, net)
    missing = explain(IMAGE, "vgg16", method="cam", metrics=["gini"])
    with pytest.raises(UsageError, match="there is no map to score: cam does not apply to vgg16"):
        score(missing, IMAGE, "vgg16")


def test_score_leaves_out_metrics_that_need_further_maps_of_the_method(net: Net) -> None:
    assert score(np.eye(7), IMAGE, net, target="top1", metrics=["gini", "max_sensitivity"]).keys() == {"gini"}


def test_a_single_metric_may_be_a_string(net: Net) -> None:
    explanation = explain(IMAGE, net, metrics="gini")
    assert explanation.scores.keys() == score(explanation, IMAGE, net, metrics="gini").keys() == {"gini"}


def test_a_function_can_be_a_method(net: Net) -> None:
    def mean_activation(net: Net, images: Tensor, targets: Tensor) -> Tensor:
        return net.features(images).mean(1)

    explanations = explain_all(IMAGE, net, methods=[mean_activation, "cam"], metrics=["gini"])
    assert [explanation.method for explanation in explanations] == ["mean_activation", "cam"]
    batch = torch.tensor(IMAGE.pixels).permute(2, 0, 1)[None].float() / 255
    np.testing.assert_allclose(explanations[0].raw, net.features(batch).mean(1)[0], atol=1e-6)


def test_an_image_can_be_a_file_a_pil_image_or_an_array(net: Net, tmp_path: Path) -> None:
    pixels = scenes.load(size=96)[0].pixels
    Picture.fromarray(pixels).save(tmp_path / "a.png")
    images = (tmp_path / "a.png", Picture.fromarray(pixels))
    of_file, of_picture = (explain(image, net, size=64, metrics=["gini"]) for image in images)
    np.testing.assert_array_equal(of_file.image.pixels, of_picture.image.pixels)
    assert of_file.image.pixels.shape == (64, 64, 3)
    np.testing.assert_array_equal(explain(pixels, net, metrics=["gini"]).image.pixels, pixels)


def test_an_array_of_the_wrong_shape_and_a_layer_for_a_loaded_net_are_refused(net: Net) -> None:
    with pytest.raises(UsageError, match=r"an image array is \(h, w, 3\) of uint8"):
        explain(np.zeros((3, 8, 8), dtype=np.uint8), net)
    with pytest.raises(UsageError, match="layer: this net is already loaded"):
        explain(IMAGE, net, layer="features.9")


def test_the_tables_of_a_run_are_frames(small_run: Run) -> None:
    assert len(small_run.scores) == 2 * 2 * 2 * 2
    assert {"share", "score"} <= set(small_run.curves) and small_run.curves["share"].dtype == float
    assert (small_run.cost["seconds"].dropna() > 0).all() and small_run.predictions["net"].nunique() == 2
    mean = small_run.scores.query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")["value"].mean()
    row = small_run.summary().query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")
    assert row["mean"].item() == pytest.approx(mean)
    assert load(small_run.directory).summary().equals(small_run.summary())
    assert "<table" in small_run._repr_html_()


def test_the_summary_of_a_run_is_its_csv_report(small_run: Run) -> None:
    text = plugins.find(REPORT, "csv")(small_run)
    summary, report = small_run.summary(), pd.read_csv(io.StringIO(text))
    pd.testing.assert_frame_equal(summary, report, rtol=1e-12, atol=0)  # read_csv may round the last digits
    assert summary.to_csv(index=False, lineterminator="\n") == text
    assert report["reason"].notna().any() and report["mean"].notna().any()


def test_lists_of_names_may_be_texts_with_commas(small_run: Run, tmp_path: Path) -> None:
    run = load(runs.write(tmp_path / "run"))
    texts = [answer.text for answer in run.answer("insertion, deletion")]
    assert texts == [answer.text for answer in run.answer(["insertion", "deletion"])] and len(texts) == 3
    panels = [small_run.panel(methods=methods, images=1) for methods in ("cam,random", ["cam", "random"])]
    assert len({len(panel.axes) for panel in panels}) == 1 and len(panels[0].axes) > 2


def test_the_worst_images_of_a_method(small_run: Run) -> None:
    scores = small_run.scores.query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")
    worst = small_run.worst("cam", "deletion", count=1)  # lower is better
    assert worst["value"].tolist() == [scores["value"].max()] and worst["probability"].between(0, 1).all()
    assert worst["image"].tolist() == [scores.set_index("image")["value"].idxmax()]
    assert small_run.panel(images=worst["image"].tolist(), methods=["cam"]).axes
    with pytest.raises(UsageError, match="the run has no metric 'delete'"):
        small_run.worst("cam", "delete")
    with pytest.raises(UsageError, match="the run has no image 'x'"):
        small_run.panel(images=["x"])


def test_the_curve_of_a_run_is_the_mean_over_its_images(small_run: Run) -> None:
    (axes,) = small_run.curve("deletion").axes
    lines = {str(line.get_label()): line.get_ydata() for line in axes.lines}
    scores = small_run.curves.query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")
    np.testing.assert_allclose(
        np.asarray(lines["cam"]), scores.groupby("share", observed=True)["score"].mean().to_numpy()
    )
    assert list(lines) == ["cam", "random"]
    assert axes.get_title() == "deletion ↓, squeezenet1_1, 2 images"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("share of pixels replaced", "score of the target")
    with pytest.raises(UsageError, match="no curve of a metric 'pointing'"):
        small_run.curve("pointing")


def test_the_band_of_a_curve_is_the_interval_of_its_mean(small_run: Run) -> None:
    (axes,) = small_run.curve("deletion").axes
    scores = small_run.curves.query("net == 'squeezenet1_1' and method == 'cam' and metric == 'deletion'")
    outline = np.asarray(axes.collections[0].get_paths()[0].vertices)
    half = t.ppf(0.975, 1) / 2**0.5  # Student's interval of two images, in standard deviations
    for share, two in scores.groupby("share", observed=True)["score"]:
        heights = outline[np.isclose(outline[:, 0], share), 1]
        ends = (two.mean() - half * two.std(), two.mean() + half * two.std())
        assert (heights.min(), heights.max()) == pytest.approx(np.clip(ends, 0, 1), abs=1e-9)
    assert len(axes.collections) == len(axes.lines)


def test_the_panel_of_a_run_shows_its_maps(small_run: Run) -> None:
    figure = small_run.panel("vgg16", images=1)
    labels = [*figure.texts, *(label for axes in figure.axes for label in axes.texts)]
    texts = [label.get_text().replace("\n", " ") for label in labels]
    assert any("not applicable: no global pooling" in text for text in texts)
    controls = [name for name, method in small_run.header.methods.items() if method.control]
    assert controls and {f"{name} (control)" for name in controls} <= {*texts}
    pictures = [np.asarray(axes.images[0].get_array()) for axes in small_run.panel(methods=["cam"], images=1).axes]
    photo, coloured, overlay = (picture.astype(float) for picture in pictures)
    brightness = coloured.sum(2)
    hot, cold = (np.unravel_index(find(brightness), brightness.shape) for find in (np.argmax, np.argmin))
    np.testing.assert_allclose(overlay[hot], 0.15 * photo[hot] + 0.85 * coloured[hot], atol=1)
    np.testing.assert_allclose(overlay[cold], photo[cold], atol=1, err_msg="cold places show the photo")
    with pytest.raises(UsageError, match="the run has no method 'cams': did you mean 'cam'"):
        small_run.panel(methods=["cams"])


def test_a_panel_shows_images_with_a_picture_and_says_what_is_not_computed(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=3, nets={"resnet18": "layer4"})
    run = load(directory)
    scores, maps, pictures = (run.table(name) for name in ("scores", "maps", "images"))
    first = scores["image"] == "image 00"
    runs.rewrite(directory, "scores", scores[~(first & (scores["method"] == "score_cam"))])
    without_map = maps["method"].isin(["cam", "score_cam"]) & (maps["image"] == "image 00")
    runs.rewrite(directory, "maps", maps[~without_map])
    runs.rewrite(directory, "images", pictures[pictures["image"] != "image 01"])
    figure = load(directory).panel()
    texts = [label.get_text().replace("\n", " ") for axes in figure.axes for label in axes.texts]
    assert texts.count("not computed") == texts.count("no map is stored") == 1
    everything = " ".join([*texts, *(label.get_text() for label in figure.texts)])
    assert "image 00" in everything and "image 02" in everything and "image 01" not in everything
    with pytest.raises(UsageError, match=r"run holds no picture of image 01: it holds those of image 00 and image 02$"):
        load(directory).panel(images="image 01", methods="grad_cam")
    predictions = run.table("predictions")
    runs.rewrite(directory, "predictions", predictions[predictions["image"] != "image 00"])
    assert [axes for axes in load(directory).panel(methods="grad_cam").axes if axes.get_images()]
    runs.rewrite(directory, "images", pictures[:0])
    with pytest.raises(UsageError, match=r"run holds no picture of an image that is done on resnet18$"):
        load(directory).panel()


@pytest.mark.parametrize("style", ["default", "ggplot"])
def test_curves_have_the_axes_of_their_metric_and_each_method_has_its_own_line(style: str) -> None:
    with matplotlib.style.context(style):
        (axes,) = load("reference").curve("randomisation[stages=2]", "squeezenet1_1").axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("share of layers randomised", "similarity to the map")
    looks = {str(line.get_label()): (to_hex(line.get_color()), str(line._dash_pattern)) for line in axes.lines}  # type: ignore[attr-defined]
    assert len({*looks.values()}) == len(axes.lines) > 20
    grey = {method for method, (colour, _) in looks.items() if to_hex(colour) == "#7f7f7f"}
    assert grey == {"random", "centre", "edge", "fake_cam"}


def test_curves_are_drawn_of_the_methods_named_over_the_images_that_these_have(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"})
    curves = load(directory).table("curves")
    runs.rewrite(directory, "curves", curves[(curves["method"] != "cam") | (curves["image"] == "image 00")])
    (axes,) = load(directory).curve("insertion", methods="grad_cam,cam").axes
    assert [line.get_label() for line in axes.lines] == ["grad_cam"]
    (axes,) = load(directory).curve("insertion", methods=["cam"]).axes
    assert [line.get_label() for line in axes.lines] == ["cam"]
    assert axes.get_title() == "insertion ↑, resnet18, 1 image"
    with pytest.raises(UsageError, match="the run has no method 'cams': did you mean 'cam'"):
        load(directory).curve("insertion", methods="cams")


def test_curves_name_the_methods_that_they_leave_out_and_need_a_common_image(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=4, nets={"resnet18": "layer4"})
    curves = load(directory).table("curves")
    first, cam = curves["image"] == "image 00", curves["method"] == "cam"
    runs.rewrite(directory, "curves", curves[~cam | first])
    figure = load(directory).curve("insertion")
    assert figure.legends[0].get_title().get_text() == "on too few:\ncam"
    assert figure.axes[0].get_title() == "insertion ↑, resnet18, 4 images"
    second = curves["image"] == "image 01"
    runs.rewrite(directory, "curves", curves[(cam & first) | (~cam & second)])
    with pytest.raises(UsageError, match=r"no image has a curve of all methods by insertion on resnet18$"):
        load(directory).curve("insertion")


def test_a_run_takes_names_alone() -> None:
    for key, value in (("nets", nn.ReLU()), ("nets", [nn.ReLU()]), ("methods", ["cam", len]), ("metrics", len)):
        with pytest.raises(
            UsageError, match=f"^{key} are given by their names, not as .*: write the code in a file, {key}="
        ):
            cambench.run("smoke", **{key: value})
        with pytest.raises(UsageError, match=f"^{key} are given by their names"):
            cambench.choose("smoke", **{key: value})


def test_a_table_that_does_not_exist_is_named(small_run: Run) -> None:
    with pytest.raises(UsageError, match=r"^a run has no table 'score': did you mean 'scores'"):
        small_run.table("score")


def test_nets_and_data_sets_are_shown_in_a_line(tmp_path: Path) -> None:
    net = load_net("squeezenet1_1", device="cpu", precision="fp32")
    assert repr(net) == "<Net squeezenet1_1: 10 classes, layer features.12, fp32, cpu>"
    Picture.new("RGB", (40, 40)).save(tmp_path / "a.png")
    assert repr(cambench.load_dataset(str(tmp_path))) == "<LazyImages: 1 of 224 x 224 pixels, 0 classes>"


def brightness(_: Net, images: Tensor) -> Tensor:
    return images.mean(1)


def test_a_function_with_other_parameters_is_refused() -> None:
    with pytest.raises(BenchError, match=r"its function cannot be called as explain\(net, images, targets\)$"):
        cambench.explain(np.zeros((64, 64, 3), np.uint8), "squeezenet1_1", method=brightness)


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_images_is_positive(small_run: Run, count: int) -> None:
    with pytest.raises(UsageError, match=f"^{count} images are asked for: take 1 or more$"):
        small_run.panel(images=count, methods=None)
    with pytest.raises(UsageError, match=r"^0 images are asked for"):
        small_run.panel(images=[])
    with pytest.raises(UsageError, match=f"^{count} images are asked for"):
        small_run.worst("cam", "deletion", count=count)


def test_a_run_without_curves_says_so(tmp_path: Path) -> None:
    directory = runs.write(tmp_path / "run", images=2, nets={"resnet18": "layer4"})
    runs.rewrite(directory, "curves", load(directory).table("curves")[:0])
    with pytest.raises(UsageError, match=r"run has no curve on resnet18$"):
        load(directory).curve("insertion")


def test_a_module_without_preprocess_is_normalised_with_a_note() -> None:
    def load(**settings: Any) -> bool:
        layers = nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
        loaded = cambench.load_net(nn.Sequential(*layers), classes=["a", "b"], device="cpu", **settings)
        return any("normalised by ImageNet's mean" in note for note in loaded.notes)

    assert load() and not load(preprocess="imagenet") and not load(mean=0.5, std=0.5)


@pytest.mark.parametrize(
    ("images", "targets", "message"),
    [
        (torch.rand(3, 32, 32), [0], "of shape (n, 3, h, w), not torch.float32 of shape (3, 32, 32)"),
        (torch.randint(0, 255, (1, 3, 32, 32)), [0], "not torch.int64 of shape (1, 3, 32, 32)"),
        (torch.rand(1, 3, 32, 32) * 255, [0], "images are in [0, 1]; the net normalises them itself: these reach from"),
        (torch.rand(1, 3, 32, 32), [17], "from 0 to 9, not torch.int64 of shape (1,), [17]"),
        (torch.rand(2, 3, 32, 32), [1], "one class index for each image"),
        (torch.rand(2, 3, 32, 32), [0.0, 1.0], "not torch.float32 of shape (2,)"),
        (torch.rand(0, 3, 32, 32), [], "not torch.float32 of shape (0, 3, 32, 32)"),
    ],
)
def test_images_and_targets_of_maps_are_checked(
    net: Net, images: torch.Tensor, targets: list[float], message: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        cambench.compute_maps("grad_cam", net, images, torch.tensor(targets))


def test_images_and_maps_may_have_another_floating_type(net: Net) -> None:
    images, targets = torch.rand(2, 3, 32, 32), torch.tensor([1, 2])
    for method in ("grad_cam", "edge"):
        maps = cambench.compute_maps(method, net, images.double(), targets)
        torch.testing.assert_close(maps, cambench.compute_maps(method, net, images, targets), atol=1e-6, rtol=1e-5)
    fitted = reference.fit_maps("default", maps, images)
    by_type = [
        reference.compute_scores(net, images, targets, values, metrics=["gini", "insertion"], protocol_name="default")
        for values in (fitted, fitted.double())
    ]
    assert all(torch.equal(by_type[0][metric], by_type[1][metric]) for metric in by_type[0])
    with pytest.raises(UsageError, match=re.escape("maps are in [0, 1]; fit_maps stretches them: these reach from")):
        reference.compute_scores(net, images, targets, fitted * 7, metrics=["gini"], protocol_name="default")


def test_a_module_can_be_a_net_and_stays_unchanged() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 5, 4),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, 3),
    ).train()
    settings = {
        "layer": "1",
        "classes": ["cat", "dog", "cow"],
        "preprocess": "none",
        "device": "cpu",
        "precision": "fp32",
    }
    explanation = explain(IMAGE, module, target="dog", metrics=["average_drop"], **settings)
    batch = torch.tensor(IMAGE.pixels).permute(2, 0, 1)[None].float() / 255
    assert explanation.target.probability == pytest.approx(module(batch).softmax(-1)[0, 1].item(), abs=1e-6)
    assert explanation.applies and explanation.layer == "1" and module.training and not module[0]._forward_hooks
    with pytest.raises(UsageError, match=r"classes: a net given by name takes this in its spec, vgg16\[classes=...\]"):
        load_net("vgg16", classes=["cat"])


def test_an_arrow_shows_the_better_direction_of_a_metric(net: Net) -> None:
    explanation = explain(IMAGE, net, method="random", metrics=["road", "deletion", "region_perturbation"])
    assert [str(result)[-1] for result in explanation.results] == ["↑", "↓", "↑"]


def test_each_array_has_its_own_row_in_a_panel(net: Net) -> None:
    images = [np.full((size, size, 3), 90, np.uint8) for size in (64, 64, 96)]
    explanations = [explain(image, net, method="random", target=2, metrics=["gini"]) for image in images]
    pictures = [axes for axes in panel(explanations).axes if axes.get_images()]
    assert len(pictures) == 3 + 3 + 2 * 1  # equal arrays share a row, and so a photo
    with pytest.raises(UsageError, match="there is no explanation to draw"):
        panel([])


def test_a_loaded_net_is_not_explained_by_a_protocol_of_another_layer() -> None:
    loaded = load_net("vgg16", device="cpu", precision="fp32")
    with pytest.raises(
        UsageError, match=r"features.29, but the protocol torchcam explains it at .*: load it with load_net"
    ):
        explain(IMAGE, loaded, protocol="torchcam")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: explain(IMAGE, net, method=None), "a method is a spec, such as grad_cam, or a function, not None"),
        (lambda net: score([[1], [2, 3]], IMAGE, net, target=1), "these rows differ in length"),
        (lambda net: explain(None, net), "an image is a file, a PIL image, an array of uint8"),
        (lambda _: load_net(3), "a net is a spec, such as vgg16, or a torch.nn.Module, not int"),
        (lambda _: load_net("vgg16", precision="fp17"), "there is no precision 'fp17': did you mean 'fp16'"),
        (lambda _: load_net(torch.nn.Conv2d(3, 2, 3), weights="x"), "weights: a module takes name, classes"),
        (lambda net: score(np.full((4, 4), np.nan), IMAGE, net), "a map is an array .* of finite numbers"),
        (lambda net: score(np.zeros(4), IMAGE, net), "of finite numbers, not float64 of shape"),
        (lambda net: explain(IMAGE, net, metrics=["gini"]).overlay(opacity=-1), "opacity -1 is not between 0 and 1"),
        (lambda net: explain(IMAGE, net, metrics=["gini"]).overlay(colours="nope"), "there is no colour map 'nope'"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_refused(net: Net, call: Callable[[Net], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call(net)


def test_a_single_method_target_and_number_need_no_list(net: Net) -> None:
    (explanation,) = explain_all(IMAGE, net, methods="random", targets="top1", metrics=["gini"])
    assert panel(explanation).axes
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    assert load_net(module, mean=0.5, std=[0.5, 0.5, 0.5], layer="0", device="cpu").layer == "0"


def test_the_repr_of_a_run_is_one_line(small_run: Run) -> None:
    assert repr(small_run) == f"<run {small_run.directory}: 2 images, 2 nets, 2 methods, 2 metrics>"


def test_a_callable_object_can_be_a_method(net: Net) -> None:
    class Flat:
        def __call__(self, _net: Net, images: Tensor, _targets: Tensor) -> Tensor:
            return torch.ones(len(images), 2, 2)

    assert explain(IMAGE, net, method=Flat(), metrics=["gini"]).method == "Flat"
