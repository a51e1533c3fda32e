"""The speed of this suite's metrics and of other libraries' on the same images, maps and net, in fp32, in one process.

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
from torch.nn.functional import conv2d

from cambench.bench.core.plugins import METHOD, METRIC, find
from cambench.bench.forward.precision import choose_precision
from cambench.bench.nets.net import Net
from cambench.bench.scoring import blend
from cambench.bench.scoring.case import Curve, Score
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.bench.scoring.score import score
from cambench.methods import grad_cam
from cambench.tests.support import nets
from cambench.tests.support.board import Board, Figure

pytestmark = [pytest.mark.overhead, pytest.mark.filterwarnings("ignore")]

CALLS = 3
SIZE = 112
IMAGES = 4


@pytest.fixture(scope="module")
def net() -> Net:
    return nets.cut_net("resnet18", nets.architecture("resnet18", channels=512))


@pytest.fixture(scope="module")
def module() -> nn.Module:
    return nets.architecture("resnet18", channels=512)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return nets.random_images(IMAGES, SIZE)


@pytest.fixture(scope="module")
def targets(net: Net, images: Tensor) -> Tensor:
    with torch.no_grad():
        return net(images).argmax(1)


@pytest.fixture(scope="module")
def maps(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    net.prepare(images)
    return stretch(fit(grad_cam.explain(net, images, targets), (SIZE, SIZE)))


def make_ours(net: Net, images: Tensor, targets: Tensor, maps: Tensor, *specs: str) -> Callable[[], list[list[Score]]]:
    """Return a call that scores the maps of all images in one batch, as a run does: one list an image."""
    metrics = [find(METRIC, spec) for spec in specs]

    def call() -> list[list[Score]]:
        cases = [
            nets.case_of(image, map_, target)
            for image, map_, target in zip(images, maps, targets.tolist(), strict=True)
        ]
        return score(net, cases, metrics)

    return call


def compare(
    board: Board, name: str, our_call: Callable[[], object], their_call: Callable[[], object], least: float = 1.0
) -> None:
    """Record the ratio of the library's seconds to ours. Fail unless ours is faster."""
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(CALLS):
        for is_ours, call in ((True, our_call), (False, their_call)):
            start = time.perf_counter()
            call()
            seconds[is_ours].append(time.perf_counter() - start)
    own_best, their_best = min(seconds[True]), min(seconds[False])
    board.add(Figure(name, their_best / own_best, "times our seconds", least))
    assert own_best < their_best


def test_torchcams_classification_and_curves(
    board: Board, net: Net, module: nn.Module, images: Tensor, targets: Tensor, maps: Tensor
) -> None:
    torchcam = pytest.importorskip("torchcam.metrics", reason="torch-cam, of the extra `references`, is not installed")
    from cambench.tests.support.reference_libraries import FixedMaps, normalised

    softmax = partial(torch.softmax, dim=-1)

    def run(metric: type, **settings: Any) -> Callable[[], object]:
        def call() -> None:
            metric(FixedMaps(module, maps), softmax, **settings).update(normalised(images), targets.tolist())

        return call

    drops, curves = run(torchcam.ClassificationMetric), run(torchcam.DeletionInsertionMetric, steps=20)
    compare(
        board,
        "insertion and deletion: torch-cam's DeletionInsertionMetric, 20 steps",
        make_ours(net, images, targets, maps, "deletion[steps=20]", "insertion[steps=20,fill=mean]"),
        curves,
        least=1.3,
    )
    specs = ("average_drop", "average_increase", "deletion[steps=20]", "insertion[steps=20,fill=mean]")
    compare(
        board,
        "all of torch-cam's metrics: ClassificationMetric and DeletionInsertionMetric",
        make_ours(net, images, targets, maps, *specs),
        lambda: (drops(), curves()),
    )


@pytest.mark.parametrize(
    ("size", "count", "precision"),
    [(112, 4, "fp32"), (224, 1, "fp32"), (224, 1, "bf16")],  # its linear systems grow with the pixels
)
def test_pytorch_grad_cams_road(board: Board, module: nn.Module, size: int, count: int, precision: str) -> None:
    road = pytest.importorskip(
        "pytorch_grad_cam.metrics.road", reason="pytorch-grad-cam, of `references`, is not installed"
    )
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    from cambench.tests.support.reference_libraries import normalised

    if precision == "bf16" and choose_precision("auto", torch.device("cpu")) != "bf16":
        pytest.skip("this processor has no bf16 units")
    net, images = nets.cut_net("resnet18", module, precision), nets.random_images(count, size)
    net.prepare(images)
    targets = net(images).argmax(1)
    maps = stretch(fit(grad_cam.explain(net, images, targets), (size, size)))
    requests = [ClassifierOutputSoftmaxTarget(int(target)) for target in targets]
    compare(
        board,
        f"ROAD at {size} px: pytorch-grad-cam's ROADCombined, ours in {precision}",
        make_ours(net, images, targets, maps, "road"),
        lambda: road.ROADCombined()(normalised(images), maps.numpy(), requests, module),
        least=20,
    )


def test_quantus_road_and_pixel_flipping(
    board: Board,
    net: Net,
    module: nn.Module,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warnings.simplefilter("ignore")
    quantus = pytest.importorskip("quantus", reason="Quantus, of the extra `rivals`, is not installed")
    from cambench.tests.support.reference_libraries import normalised

    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # numpy 2.4 has no trapz, which it calls
    batch = {
        "model": module,
        "x_batch": normalised(images).numpy(),
        "y_batch": targets.numpy(),
        "a_batch": maps[:, None].numpy(),
        "device": "cpu",
    }
    quiet = {"disable_warnings": True, "display_progressbar": False}
    flipping = quantus.PixelFlipping(features_in_step=SIZE * SIZE // 28, return_auc_per_sample=True, **quiet)
    compare(
        board,
        "pixel flipping: Quantus's PixelFlipping, 28 steps",
        make_ours(net, images, targets, maps, "pixel_flipping"),
        lambda: flipping(**batch),
    )
    road = quantus.ROAD(percentages=list(range(10, 100, 10)), **quiet)
    try:
        road(**batch)
    except IndexError as error:  # its imputation reaches beyond the image's last row
        pytest.skip(f"Quantus's ROAD does not run on these maps: {error}")
    our_call = make_ours(net, images, targets, maps, "road[order=morf]")
    compare(board, "ROAD in one order: Quantus's", our_call, lambda: road(**batch), least=20)


def test_saliency_maps_metrics(
    board: Board,
    net: Net,
    module: nn.Module,
    images: Tensor,
    targets: Tensor,
    maps: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library = pytest.importorskip(
        "saliency_maps_metrics.multi_step_metrics", reason="saliency-maps-metrics, of `rivals`, is not installed"
    )
    from cambench.tests.support.reference_libraries import normalised

    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    probabilities = nn.Sequential(module, nn.Softmax(1))
    coarse = grad_cam.explain(net, images, targets)[:, None]

    def their_call() -> None:
        with torch.no_grad():
            for metric in (library.Deletion(), library.Insertion()):
                metric(probabilities, normalised(images), coarse, targets)

    cells = int(coarse[0].numel())
    compare(
        board,
        f"insertion and deletion: saliency-maps-metrics', {cells} cells",
        make_ours(net, images, targets, maps, f"deletion[steps={cells}]", f"insertion[steps={cells}]"),
        their_call,
        least=1.2,
    )


def test_rises_evaluation(
    board: Board, net: Net, module: nn.Module, images: Tensor, targets: Tensor, maps: Tensor
) -> None:
    """RISE's evaluation of a batch of images: at each of 29 points one pass of all images, which numpy prepares."""
    from cambench.tests.support.reference_libraries import normalised

    kernel, step = _gaussian(), -(-SIZE * SIZE // 28)

    def curves(clean: Tensor, *, insertion: bool) -> list[float]:
        blank = conv2d(clean, kernel, padding=5) if insertion else torch.zeros_like(clean)
        start, finish = (blank, clean) if insertion else (clean, blank)
        order = np.argsort(-maps.reshape(len(maps), -1).numpy(), axis=1, kind="stable")  # ties in our order
        pixels_shown, whole_image = start.numpy().copy().reshape(IMAGES, 3, -1), finish.numpy().reshape(IMAGES, 3, -1)
        rows, scores = np.arange(IMAGES)[:, None], []
        for point in range(29):
            with torch.no_grad():
                scores_ = module(torch.from_numpy(pixels_shown.reshape(clean.shape))).softmax(1)
            scores.append(scores_.gather(1, targets[:, None])[:, 0].numpy())
            pixels = order[:, point * step : (point + 1) * step]
            pixels_shown[rows, :, pixels] = whole_image[rows, :, pixels]
        return (np.trapezoid(np.stack(scores), axis=0) / 28).tolist()

    def their_call() -> list[list[float]]:
        clean = normalised(images)
        return [curves(clean, insertion=False), curves(clean, insertion=True)]

    rows_ = make_ours(net, images, targets, maps, "deletion", "insertion")()
    areas = [[curve.area for curve in row if isinstance(curve, Curve)] for row in rows_]
    np.testing.assert_allclose(np.transpose(areas), their_call(), atol=1e-4)
    our_call = make_ours(net, images, targets, maps, "deletion", "insertion")
    compare(board, "insertion and deletion: RISE's evaluation, 28 steps", our_call, their_call, least=1.2)


def _gaussian() -> Tensor:
    kernel = torch.zeros(3, 3, 11, 11)
    for channel in range(3):
        kernel[channel, channel] = torch.tensor(np.outer(blend._list_gaussian(), blend._list_gaussian()))
    return kernel


@pytest.mark.parametrize("library", ["pytorch_grad_cam:ScoreCAM", "torchcam:ScoreCAM"])
@pytest.mark.parametrize(("precision", "least"), [("fp32", 1), ("bf16", 3.3)])
def test_score_cam(board: Board, library: str, precision: str, least: float, images: Tensor, targets: Tensor) -> None:
    """The libraries run in fp32 with their own batch sizes, 16 and 32."""
    pytest.importorskip(library.partition(":")[0], reason="of the extra `references`, is not installed")
    if precision == "bf16" and choose_precision("auto", images.device) != "bf16":
        pytest.skip("this processor has no bf16 units")
    net = nets.cut_net("resnet18", nets.architecture("resnet18", channels=512), precision)
    net.prepare(images)
    their_call, our_call = find(METHOD, library), find(METHOD, "score_cam")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = f"Score-CAM: {library.partition(':')[0]}'s, ours in {precision}"
        compare(board, name, lambda: our_call(net, images, targets), lambda: their_call(net, images, targets), least)
