"""torchcam: maps of five methods, and average drop, increase, deletion and insertion of the same maps."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..bench.conform import reference
from ..bench.conform.conform import FEW, MANY, Fault, Quantity, rescale
from ..bench.core.specs import DEFAULT
from ..bench.nets.net import Net

REQUIRES = ("torchcam",)
EXTRA = "references"

FOLLOWS = "torchcam"
MAPS = {
    "GradCAM": "grad_cam",
    "XGradCAM": "xgrad_cam",
    "LayerCAM": "layer_cam",
}
SCORE_CAM = "score_cam[channels=softmax,first=stretch,weights=logit]"
NO_DIVISION = (
    "methods/gradient.py, alpha[idx][mask].div_(...), divides a copy: alpha, eq. 19's fraction, stays its numerator g^2"
)


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Compare raw maps for the targets' logits, Grad-CAM maps fitted to the image, and the scores of these fitted maps.

    Score-CAM, which takes a pass for each channel, is compared on the first image alone.
    """
    compute_library_maps = partial(
        _compute_library_maps,
        reference.make_library_module(net),
        net.layer,
        reference.normalise(net, images),
        targets.tolist(),
    )
    for variant, spec in MAPS.items():
        own_maps = reference.compute_maps(spec, net, images, targets)
        yield Quantity(spec, DEFAULT, *rescale(own_maps, compute_library_maps(variant)), FEW)
    yield _compare_score_cam(net, images[:1], targets[:1])
    yield _compare_grad_cam_pp(net, images, targets, compute_library_maps("GradCAMpp"))
    yield from _compare_fitted_and_scored(net, images, targets, compute_library_maps("GradCAM", normalized=True))


def _compare_grad_cam_pp(net: Net, images: Tensor, targets: Tensor, library_maps: Tensor) -> Quantity:
    activations, slopes = reference.compute_gradients(net, images, targets)
    weights = (slopes**2 * slopes.relu()).sum((2, 3), keepdim=True)
    fault = Fault(NO_DIVISION, *rescale((weights * activations).sum(1).relu(), library_maps))
    own_maps = reference.compute_maps("grad_cam_pp", net, images, targets)
    return Quantity("grad_cam_pp", DEFAULT, *rescale(own_maps, library_maps), FEW, fault)


def _compare_score_cam(net: Net, images: Tensor, targets: Tensor) -> Quantity:
    module, normalised = reference.make_library_module(net), reference.normalise(net, images)
    library_maps = _compute_library_maps(module, net.layer, normalised, targets.tolist(), "ScoreCAM")
    own_maps = reference.compute_maps(SCORE_CAM, net, images, targets)
    return Quantity(f"{SCORE_CAM}, first image", DEFAULT, *rescale(own_maps, library_maps), MANY)


def _compare_fitted_and_scored(net: Net, images: Tensor, targets: Tensor, stretched: Tensor) -> Iterator[Quantity]:
    from torchcam.metrics import _resize_cam

    maps = reference.fit_maps(FOLLOWS, reference.compute_maps("grad_cam", net, images, targets), images)
    yield Quantity("grad_cam, fitted", FOLLOWS, maps, _resize_cam(stretched, tuple(images.shape[2:])), FEW)
    library_scores = _compute_library_scores(
        reference.make_library_module(net), reference.normalise(net, images), targets.tolist(), maps
    )
    own_scores = reference.compute_scores(
        net, images, targets, maps, metrics=list(library_scores), protocol_name=FOLLOWS
    )
    for metric in library_scores:
        yield Quantity(metric, FOLLOWS, own_scores[metric], library_scores[metric], FEW)


def _compute_library_maps(
    module: nn.Module, layer: str, images: Tensor, targets: list[int], variant: str, *, normalized: bool = False
) -> Tensor:
    """Return the library's maps (n, h', w')."""
    from torchcam import methods

    with getattr(methods, variant)(module, layer) as extractor:
        maps: list[Tensor] = extractor(targets, module(images), normalized=normalized)
    return maps[0].detach()


class _FixedMaps:
    """Replaces one of the library's extractors and returns our maps."""

    def __init__(self, model: nn.Module, maps: Tensor) -> None:
        self.model, self.maps = model, maps

    def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
        return [self.maps]

    def fuse_cams(self, maps: list[Tensor]) -> Tensor:
        return maps[0]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()


@torch.no_grad()
def _compute_library_scores(module: nn.Module, images: Tensor, targets: list[int], maps: Tensor) -> dict[str, Tensor]:
    """Return the library's scores (n,), by the name of our metric. It returns means only, so it scores one image at a time."""
    from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

    softmax, rows = partial(torch.softmax, dim=-1), []
    for image, target, map_ in zip(images, targets, maps, strict=True):
        extractor = _FixedMaps(module, map_[None])
        summary: dict[str, float] = {}
        for metric in (ClassificationMetric(extractor, softmax), DeletionInsertionMetric(extractor, softmax, steps=20)):
            metric.update(image[None], [target])
            summary |= metric.summary()
        rows.append([summary[name] for name in ("avg_drop", "conf_increase", "deletion_auc", "insertion_auc")])
    names = ("average_drop", "average_increase", "deletion", "insertion")
    return dict(zip(names, torch.tensor(rows, dtype=torch.float64).T, strict=True))
