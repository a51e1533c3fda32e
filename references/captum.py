"""captum: maps of Grad-CAM, and infidelity and max-sensitivity of the same maps under the same perturbations."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from ..bench.conform import reference
from ..bench.conform.conform import FEW, Quantity, rescale
from ..bench.core.specs import DEFAULT
from ..bench.nets.net import Net
from ..bench.scoring.blend import Canvas, blend_images, count_images
from ..bench.scoring.perturbations import Clean, InsideSeries

REQUIRES = ("captum",)
EXTRA = "references"


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Compare raw Grad-CAM maps and the scores of these maps. captum runs with relu_attributions=True, not its default."""
    library = _GradCAM(net)
    raw_maps = reference.compute_maps("grad_cam", net, images, targets)
    yield Quantity("grad_cam", DEFAULT, *rescale(raw_maps, library(images, targets)), FEW)
    maps = reference.fit_maps(DEFAULT, raw_maps, images)
    score = partial(reference.compute_scores, net, images, targets, maps, protocol_name=DEFAULT, method="grad_cam")
    explained = list(zip(images, targets, maps, strict=True))
    for metric in ("infidelity[kind=square]", "infidelity[kind=gaussian]"):
        library_scores = torch.stack([_compute_infidelity(metric, library, *triple) for triple in explained])
        yield Quantity(metric, DEFAULT, score(metrics=[metric])[metric], library_scores, FEW)
    library_scores = torch.stack([_compute_sensitivity(library, *triple) for triple in explained])
    yield Quantity(
        "max_sensitivity", DEFAULT, score(metrics=["max_sensitivity"])["max_sensitivity"], library_scores, FEW
    )


class _GradCAM:
    """captum's Grad-CAM and softmax scores of images in [0, 1]."""

    def __init__(self, net: Net) -> None:
        from captum.attr import LayerGradCam

        self.net, self.module = net, reference.make_library_module(net)
        self.library = LayerGradCam(self.module, self.module.get_submodule(net.layer))

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        """Return maps (n, h', w')."""
        maps: Tensor = self.library.attribute(reference.normalise(self.net, images), targets, relu_attributions=True)
        return maps[:, 0].detach()

    def compute_scores(self, images: Tensor) -> Tensor:
        """Return softmax scores (n, classes)."""
        scores: Tensor = self.module(reference.normalise(self.net, images)).softmax(1)
        return scores


def _compute_infidelity(metric: str, library: _GradCAM, image: Tensor, target: Tensor, map_: Tensor) -> Tensor:
    """Return captum's normalised infidelity (1,). The map is repeated over colours: captum expects the image's shape."""
    from captum.metrics import infidelity

    amounts, remaining = _perturb(metric, image, map_)
    score: Tensor = infidelity(
        library.compute_scores,
        lambda _: (amounts, remaining),
        image[None],
        map_.expand(1, *image.shape),
        target=target,
        n_perturb_samples=len(amounts),
        normalize=True,
    )
    return score[0]


def _perturb(metric: str, image: Tensor, map_: Tensor) -> tuple[Tensor, Tensor]:
    """Return the amounts (n, 3, h, w) that our metric subtracts from an image (1 for a replaced pixel), and the results."""
    clean, *perturbed = reference.find_perturbed_images(metric, image, map_)
    assert clean == Clean()
    (series,) = perturbed
    remaining = blend_images(Canvas(image, map_[None]), [(0, series)]).make(0, count_images(series))
    if isinstance(series, InsideSeries):
        return torch.from_numpy(~series.masks).to(image)[:, None].expand_as(remaining), remaining
    return image - remaining, remaining


def _compute_sensitivity(library: _GradCAM, image: Tensor, target: Tensor, map_: Tensor) -> Tensor:
    """Return captum's sensitivity (1,) of its own Grad-CAM, whose maps are fitted and stretched as this suite's."""
    from captum.metrics import sensitivity_max

    neighbours = reference.find_explained_images("max_sensitivity", image, map_)

    def explain(inputs: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        images = inputs if isinstance(inputs, Tensor) else inputs[0]
        return (reference.fit_maps(DEFAULT, library(images, target.expand(len(images))), images),)

    score: Tensor = sensitivity_max(explain, image[None], lambda _: neighbours, n_perturb_samples=len(neighbours))
    return score[0]
