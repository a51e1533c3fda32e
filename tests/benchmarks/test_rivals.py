"""This suite's metrics beside other libraries' on the same images, maps and net, in fp32, in one process.

Not part of a plain `pytest`: run `pytest -m overhead -s tests/benchmarks/test_rivals.py`. A ratio is the library's seconds over
ours, each the fastest of its calls, which alternate; the libraries of the extra `rivals` are skipped where they are missing.
"""

import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cambench.bench.maps import fit, stretch
from cambench.bench.nets import Net
from cambench.bench.plugins import METRIC, find
from cambench.methods import grad_cam
from cambench.tests import _nets
from cambench.tests._nets import scores_of

pytestmark = [pytest.mark.overhead, pytest.mark.filterwarnings("ignore")]

CALLS = 3
SIZE = 112
IMAGES = 4


@pytest.fixture(scope="module")
def net() -> Net:
    return _nets.cut_net("resnet18", _nets.architecture("resnet18", channels=512))


@pytest.fixture(scope="module")
def whole() -> nn.Module:
    return _nets.architecture("resnet18", channels=512)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return _nets.random_images(IMAGES, SIZE)


@pytest.fixture(scope="module")
def targets(net: Net, images: Tensor) -> Tensor:
    with torch.no_grad():
        return net(images).argmax(1)


@pytest.fixture(scope="module")
def maps(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    net.prepare(images)
    return stretch(fit(grad_cam.explain(net, images, targets), (SIZE, SIZE)))


def ours(net: Net, images: Tensor, targets: Tensor, maps: Tensor, *specs: str) -> Callable[[], object]:
    metrics = [find(METRIC, spec) for spec in specs]
    return lambda: [
        scores_of(net, image, target, map_[None], (), metrics)
        for image, target, map_ in zip(images, targets.tolist(), maps, strict=True)
    ]


def compared(what: str, own: Callable[[], object], theirs: Callable[[], object]) -> None:
    """Prints both, and fails where ours is not ahead."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(CALLS):
        for mine, call in ((True, own), (False, theirs)):
            start = time.perf_counter()
            call()
            seconds[mine].append(time.perf_counter() - start)
    own_best, their_best = min(seconds[True]), min(seconds[False])
    print(f"\n{what}: {their_best:.2f} s, ours {own_best:.2f} s: {their_best / own_best:.1f} times")
    assert own_best < their_best


def test_torchcams_classification_and_curves(
    net: Net, whole: nn.Module, images: Tensor, targets: Tensor, maps: Tensor
) -> None:
    torchcam = pytest.importorskip("torchcam.metrics", reason="torch-cam, of the extra `peers`, is not installed")
    from cambench.tests.test_peers import Given, normalised

    softmax = partial(torch.softmax, dim=-1)

    def run(metric: type, **settings: Any) -> Callable[[], object]:
        def call() -> None:
            metric(Given(whole, maps), softmax, **settings).update(normalised(images), targets.tolist())

        return call

    drops, curves = run(torchcam.ClassificationMetric), run(torchcam.DeletionInsertionMetric, steps=20)
    compared(
        "torch-cam's DeletionInsertionMetric, 20 steps",
        ours(net, images, targets, maps, "deletion[steps=20]", "insertion[steps=20,substrate=mean]"),
        curves,
    )
    # Drop and increase alone are two forward passes an image, of which we make a batch an image and it one of all images.
    both = ("average_drop", "average_increase", "deletion[steps=20]", "insertion[steps=20,substrate=mean]")
    compared(
        "torch-cam's ClassificationMetric and DeletionInsertionMetric",
        ours(net, images, targets, maps, *both),
        lambda: (drops(), curves()),
    )


def test_pytorch_grad_cams_road(net: Net, whole: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> None:
    road = pytest.importorskip("pytorch_grad_cam.metrics.road", reason="pytorch-grad-cam, of `peers`, is not installed")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    from cambench.tests.test_peers import normalised

    asked = [ClassifierOutputSoftmaxTarget(int(target)) for target in targets]
    compared(
        "pytorch-grad-cam's ROADCombined",
        ours(net, images, targets, maps, "road"),
        lambda: road.ROADCombined()(normalised(images), maps.numpy(), asked, whole),
    )


def test_quantus_road_and_pixel_flipping(
    net: Net, whole: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings.simplefilter("ignore")
    quantus = pytest.importorskip("quantus", reason="Quantus, of the extra `rivals`, is not installed")
    from cambench.tests.test_peers import normalised

    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # numpy 2.4 has no trapz, which it calls
    batch = {
        "model": whole,
        "x_batch": normalised(images).numpy(),
        "y_batch": targets.numpy(),
        "a_batch": maps[:, None].numpy(),
        "device": "cpu",
    }
    quiet = {"disable_warnings": True, "display_progressbar": False}
    flipping = quantus.PixelFlipping(features_in_step=SIZE * SIZE // 28, return_auc_per_sample=True, **quiet)
    compared(
        "Quantus's PixelFlipping, 28 steps",
        ours(net, images, targets, maps, "pixel_flipping"),
        lambda: flipping(**batch),
    )
    road = quantus.ROAD(percentages=list(range(10, 100, 10)), **quiet)
    try:
        road(**batch)
    except IndexError as error:  # its imputation reaches beyond the image's last row
        pytest.skip(f"Quantus's ROAD does not run on these maps: {error}")
    compared("Quantus's ROAD, one order", ours(net, images, targets, maps, "road[order=morf]"), lambda: road(**batch))


def test_saliency_maps_metrics(
    net: Net, whole: nn.Module, images: Tensor, targets: Tensor, maps: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = pytest.importorskip(
        "saliency_maps_metrics.multi_step_metrics", reason="saliency-maps-metrics, of `rivals`, is not installed"
    )
    from cambench.tests.test_peers import normalised

    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    probabilities = nn.Sequential(whole, nn.Softmax(1))
    coarse = grad_cam.explain(net, images, targets)[:, None]

    def theirs() -> None:
        with torch.no_grad():
            for metric in (library.Deletion(), library.Insertion()):
                metric(probabilities, normalised(images), coarse, targets)

    cells = int(coarse[0].numel())
    compared(
        f"saliency-maps-metrics' Deletion and Insertion, {cells} cells",
        ours(net, images, targets, maps, f"deletion[steps={cells}]", f"insertion[steps={cells}]"),
        theirs,
    )
