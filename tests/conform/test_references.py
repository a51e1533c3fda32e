"""Metrics and Grad-CAM give the numbers of torchcam and pytorch-grad-cam.

Both libraries mask the normalised tensor, so removed pixels become the mean colour: fill and fill are "mean" here.
"""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from cambench.bench.core.plugins import METRIC, find
from cambench.bench.nets import load as all_nets
from cambench.bench.nets.net import Net
from cambench.bench.nets.zoo import SHIPPED
from cambench.bench.scoring.case import Curve
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.methods import grad_cam
from cambench.tests.support import nets
from cambench.tests.support.nets import scores_of

from ..support.reference_libraries import FixedMaps, normalised

torchcam = pytest.importorskip("torchcam.methods", reason="the library of the extra `references` is not installed")
torchcam_metrics = pytest.importorskip(
    "torchcam.metrics", reason="the library of the extra `references` is not installed"
)
library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")
SOFTMAX = partial(torch.softmax, dim=-1)
METRICS = ("average_drop", "average_increase", "deletion[steps=20]", "insertion[steps=20,fill=mean]")


@pytest.fixture(scope="module", params=["squeezenet1_1", "resnet18"])
def pair(request: pytest.FixtureRequest) -> tuple[Net, nn.Module]:
    """A net of this suite, and the uncut module with gradients for the libraries."""
    cut_module, module = (nets.architecture(request.param) for _ in range(2))
    return nets.cut_net(request.param, cut_module), module


def predict_classes(net: Net, images: Tensor) -> Tensor:
    with torch.no_grad():
        return net(images).argmax(1)


def softmax_score(logits: Tensor, target: int) -> Tensor:
    return logits.softmax(-1)[target]


def our_scores(net: Net, images: Tensor, targets: Tensor, maps: Tensor, specs: tuple[str, ...] = METRICS) -> Tensor:
    """Scores (images, metrics) of one map for each image."""
    metrics = [find(METRIC, spec) for spec in specs]
    rows = []
    for image, target, map_ in zip(images, targets.tolist(), maps, strict=True):
        scores = scores_of(net, image, target, map_[None], (), metrics)[0]
        rows.append([score.area if isinstance(score, Curve) else score for score in scores])
    return torch.tensor(rows, dtype=torch.float64)


def torchcam_scores(extractor: Any, images: Tensor, targets: Tensor) -> list[float]:
    """torchcam's mean average drop, increase, deletion and insertion of softmax scores, with 20 steps and its baseline."""
    confidence = torchcam_metrics.ClassificationMetric(extractor, SOFTMAX)
    curves = torchcam_metrics.DeletionInsertionMetric(extractor, SOFTMAX, steps=20)
    for metric in (confidence, curves):
        metric.update(normalised(images).requires_grad_(), targets.tolist())
    summary = confidence.summary() | curves.summary()
    return [summary[name] for name in ("avg_drop", "conf_increase", "deletion_auc", "insertion_auc")]


def torchcam_map(net: Net, module: nn.Module, images: Tensor, targets: Tensor, *, normalized: bool = True) -> Tensor:
    """torchcam's Grad-CAM (n, h', w') of the targets' logits."""
    with torchcam.GradCAM(module, net.layer) as extractor:
        maps: list[Tensor] = extractor(targets.tolist(), module(normalised(images)), normalized=normalized)
    module.zero_grad()
    return maps[0].detach()


def test_metrics_equal_torchcams_on_the_same_maps(pair: tuple[Net, nn.Module]) -> None:
    net, module = pair
    images, maps = nets.random_images(2), nets.random_maps(2)
    for targets in (predict_classes(net, images), torch.tensor([1, 5])):
        means = our_scores(net, images, targets, maps).mean(0).tolist()
        assert means == pytest.approx(torchcam_scores(FixedMaps(module, maps), images, targets), abs=1e-4)


def test_metrics_equal_torchcams_on_maps_with_many_ties(pair: tuple[Net, nn.Module]) -> None:
    net, module = pair
    images, maps = nets.random_images(2), (nets.random_maps(2) * 5).floor() / 5
    targets = predict_classes(net, images)
    means = our_scores(net, images, targets, maps).mean(0).tolist()
    assert means == pytest.approx(torchcam_scores(FixedMaps(module, maps), images, targets), abs=1e-4)


def test_grad_cam_equals_torchcams(pair: tuple[Net, nn.Module], images: Tensor) -> None:
    net, module = pair
    targets = predict_classes(net, images)
    maps = grad_cam.explain(net, images, targets)
    raw_maps = torchcam_map(net, module, images, targets, normalized=False)
    torch.testing.assert_close(maps, raw_maps.relu(), rtol=1e-4, atol=1e-4 * float(maps.max()))
    assert float(maps.max()) > 0


def test_deletion_and_insertion_of_grad_cam_equal_torchcams(pair: tuple[Net, nn.Module]) -> None:
    """torchcam stretches a map before it fits it: the order of pixels is the same, the mask of its average drop is not.

    (Its metrics would hand softmax scores to the extractor, which then explains the probability, not the logit.)
    """
    net, module = pair
    images = nets.random_images(2)
    targets = predict_classes(net, images)
    maps = stretch(fit(grad_cam.explain(net, images, targets), (64, 64)))
    theirs = torchcam_scores(FixedMaps(module, torchcam_map(net, module, images, targets)), images, targets)
    # Pixels whose values differ by rounding alone may be swapped: 5e-4, not 1e-4.
    assert our_scores(net, images, targets, maps).mean(0).tolist()[2:] == pytest.approx(theirs[2:], abs=5e-4)


def test_grad_cam_equals_pytorch_grad_cams_before_resizing(pair: tuple[Net, nn.Module], images: Tensor) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, module = pair
    targets = predict_classes(net, images)
    layer = module.get_submodule(net.layer)
    requests = [ClassifierOutputTarget(int(target)) for target in targets]
    with library.GradCAM(model=module, target_layers=[layer]) as extractor:
        resized = extractor(input_tensor=normalised(images), targets=requests)
        activations, gradients = (
            getattr(extractor.activations_and_grads, attribute)[-1].numpy()
            for attribute in ("activations", "gradients")
        )
        native = extractor.get_cam_image(normalised(images), layer, requests, activations, gradients)
    module.zero_grad()
    maps = grad_cam.explain(net, images, targets)
    torch.testing.assert_close(maps, torch.from_numpy(native).relu(), rtol=1e-4, atol=1e-4 * float(maps.max()))
    # It stretches, resizes by OpenCV's bilinear filter, whose weights are rounded, and stretches again.
    np.testing.assert_allclose(resized, stretch(fit(maps, (64, 64))).numpy(), atol=0.005)


def test_the_plugin_equals_the_library_on_the_uncut_module(pair: tuple[Net, nn.Module], images: Tensor) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from cambench.methods import pytorch_grad_cam as plugin

    net, module = pair
    targets = predict_classes(net, images)
    requests = [ClassifierOutputTarget(int(target)) for target in targets]
    with library.GradCAM(model=module, target_layers=[module.get_submodule(net.layer)]) as extractor:
        expected = extractor(input_tensor=normalised(images), targets=requests)
    module.zero_grad()
    np.testing.assert_allclose(plugin.explain(net, images, targets, variant="GradCAM").numpy(), expected, atol=1e-4)


def test_drop_and_increase_equal_pytorch_grad_cams(pair: tuple[Net, nn.Module]) -> None:
    from pytorch_grad_cam.metrics.cam_mult_image import (
        CamMultImageConfidenceChange,
        DropInConfidence,
        IncreaseInConfidence,
    )

    net, module = pair
    images, maps = nets.random_images(6), nets.random_maps(6)
    targets = torch.tensor([0, 2, 4, 6, 8, 9])
    requests = [partial(softmax_score, target=int(target)) for target in targets]
    change, drop, increase = (
        metric()(normalised(images), maps.numpy(), requests, module)
        for metric in (CamMultImageConfidenceChange, DropInConfidence, IncreaseInConfidence)
    )
    with torch.inference_mode():
        clean = net(images).double().softmax(1)[torch.arange(6), targets].numpy()
    scores = our_scores(net, images, targets, maps, ("average_drop", "average_increase", "average_gain")).numpy()
    # Its drop is absolute, Y - O; the paper's, and ours, is relative: (Y - O) / Y.
    np.testing.assert_allclose(scores[:, 0] * clean, drop, atol=1e-4)
    np.testing.assert_allclose(scores[:, 1], increase)
    np.testing.assert_allclose(scores[:, 2] * (1 - clean), np.maximum(change, 0), atol=1e-4)


def test_numbers_equal_torchcams_on_photographs(real_data: Path) -> None:
    """SqueezeNet with torchvision's ImageNet weights, on the first photographs of the folder."""
    name, size = "squeezenet1_1", 224
    module = torchvision.models.get_model(name, weights="IMAGENET1K_V1").eval()
    net = all_nets.load(f"{name}@imagenet", torch.device("cpu"), "fp32")
    assert name in SHIPPED and net.layer == "features.12"
    with (real_data / "labels.csv").open(encoding="utf-8") as file:
        files = [row["file"] for row in csv.DictReader(file)][:2]
    pictures = [Image.open(real_data / "images" / file).convert("RGB").resize((size, size)) for file in files]
    images = torch.stack([torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255 for picture in pictures])
    targets = predict_classes(net, images)
    raw_maps = grad_cam.explain(net, images, targets)
    their_maps = torchcam_map(net, module, images, targets)
    torch.testing.assert_close(stretch(raw_maps), their_maps, rtol=1e-4, atol=1e-4)
    maps = stretch(fit(raw_maps, (size, size)))
    means = our_scores(net, images, targets, maps).mean(0).tolist()
    assert means == pytest.approx(torchcam_scores(FixedMaps(module, maps), images, targets), abs=1e-4)
    assert means[2:] == pytest.approx(
        torchcam_scores(FixedMaps(module, their_maps), images, targets)[2:], abs=1e-3
    )  # nearly equal pixels are swapped
