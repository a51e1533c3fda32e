"""torchcam: five methods' maps, and average drop, increase, deletion and insertion of the same maps."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..bench.config.protocol import DEFAULT
from ..bench.conform import reference
from ..bench.conform.conform import FEW, MANY, Fault, Quantity, in_shares
from ..bench.nets.net import Net

REQUIRES = ("torchcam",)
EXTRA = "references"

FOLLOWS = "torchcam"
MAPS = {
    "GradCAM": ("grad_cam", FEW),
    "XGradCAM": ("xgrad_cam", FEW),
    "LayerCAM": ("layer_cam", FEW),
    "ScoreCAM": ("score_cam[channels=softmax,first=stretch,weights=logit]", MANY),
}
NO_DIVISION = (
    "methods/gradient.py, alpha[idx][mask].div_(...), divides a copy: alpha, eq. 19's fraction, stays its numerator g^2"
)


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Maps raw, of the targets' logits; the map fitted to the image; scores of that one map by either's metrics."""
    theirs = partial(_maps, reference.whole(net), net.layer, reference.normalised(net, images), targets.tolist())
    for variant, (spec, tolerance) in MAPS.items():
        made = reference.maps(spec, net, images, targets)
        yield Quantity(spec, DEFAULT, *in_shares(made, theirs(variant)), tolerance)
    yield _grad_cam_pp(net, images, targets, theirs("GradCAMpp"))
    yield from _fitted_and_scored(net, images, targets, theirs("GradCAM", normalized=True))


def _grad_cam_pp(net: Net, images: Tensor, targets: Tensor, theirs: Tensor) -> Quantity:
    activations, slopes = reference.gradients(net, images, targets)
    weights = (slopes**2 * slopes.relu()).sum((2, 3), keepdim=True)
    fault = Fault(NO_DIVISION, *in_shares((weights * activations).sum(1).relu(), theirs))
    papers = reference.maps("grad_cam_pp", net, images, targets)
    return Quantity("grad_cam_pp", DEFAULT, *in_shares(papers, theirs), FEW, fault)


def _fitted_and_scored(net: Net, images: Tensor, targets: Tensor, stretched: Tensor) -> Iterator[Quantity]:
    from torchcam.metrics import _resize_cam

    maps = reference.fitted(FOLLOWS, reference.maps("grad_cam", net, images, targets), images)
    yield Quantity("grad_cam, fitted", FOLLOWS, maps, _resize_cam(stretched, tuple(images.shape[2:])), FEW)
    theirs = _scores(reference.whole(net), reference.normalised(net, images), targets.tolist(), maps)
    mine = reference.scores(list(theirs), FOLLOWS, net, images, targets, maps)
    for metric in theirs:
        yield Quantity(metric, FOLLOWS, mine[metric], theirs[metric], FEW)


def _maps(
    whole: nn.Module, layer: str, images: Tensor, targets: list[int], variant: str, *, normalized: bool = False
) -> Tensor:
    """The library's maps (n, h', w')."""
    from torchcam import methods

    with getattr(methods, variant)(whole, layer) as extractor:
        maps: list[Tensor] = extractor(targets, whole(images), normalized=normalized)
    return maps[0].detach()


class _Given:
    """Maps of ours in the place of an extractor of the library's."""

    def __init__(self, model: nn.Module, maps: Tensor) -> None:
        self.model, self.maps = model, maps

    def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
        return [self.maps]

    def fuse_cams(self, maps: list[Tensor]) -> Tensor:
        return maps[0]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()


@torch.no_grad()
def _scores(whole: nn.Module, images: Tensor, targets: list[int], maps: Tensor) -> dict[str, Tensor]:
    """By the names of our metrics, the library's scores (n,): it gives means alone, so each image is one data set."""
    from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

    softmax, rows = partial(torch.softmax, dim=-1), []
    for image, target, map_ in zip(images, targets, maps, strict=True):
        extractor = _Given(whole, map_[None])
        found: dict[str, float] = {}
        for metric in (ClassificationMetric(extractor, softmax), DeletionInsertionMetric(extractor, softmax, steps=20)):
            metric.update(image[None], [target])
            found |= metric.summary()
        rows.append([found[name] for name in ("avg_drop", "conf_increase", "deletion_auc", "insertion_auc")])
    names = ("average_drop", "average_increase", "deletion", "insertion")
    return dict(zip(names, torch.tensor(rows, dtype=torch.float64).T, strict=True))
