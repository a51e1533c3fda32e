"""captum: Grad-CAM maps, and infidelity and maximal sensitivity of the same maps under the same perturbations."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..bench.config.protocol import DEFAULT
from ..bench.conform import reference
from ..bench.conform.conform import FEW, Quantity, in_shares
from ..bench.nets.net import Net
from ..bench.scoring.blend import blends
from ..bench.scoring.perturbations import Clean, Shown

REQUIRES = ("captum",)
EXTRA = "references"


def compare(net: Net, images: Tensor, targets: Tensor) -> Iterator[Quantity]:
    """Grad-CAM is the library's with relu_attributions, which it leaves off by default."""
    library = _GradCAM(net)
    raw = reference.maps("grad_cam", net, images, targets)
    yield Quantity("grad_cam", DEFAULT, *in_shares(raw, library(images, targets)), FEW)
    maps = reference.fitted(DEFAULT, raw, images)
    each = list(zip(images, targets, maps, strict=True))
    for metric in ("infidelity[kind=square]", "infidelity[kind=gaussian]"):
        mine = reference.scores([metric], DEFAULT, net, images, targets, maps)[metric]
        theirs = torch.stack([_infidelity(metric, library, *one) for one in each])
        yield Quantity(metric, DEFAULT, mine, theirs, FEW)
    mine = reference.scores(["max_sensitivity"], DEFAULT, net, images, targets, maps, "grad_cam")["max_sensitivity"]
    theirs = torch.stack([_sensitivity(library, *one) for one in each])
    yield Quantity("max_sensitivity", DEFAULT, mine, theirs, FEW)


class _GradCAM:
    """The library's, of images in [0, 1]."""

    def __init__(self, net: Net) -> None:
        from captum.attr import LayerGradCam

        self.net, self.whole = net, reference.whole(net)
        self.library = LayerGradCam(self.whole, self.whole.get_submodule(net.layer))

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        """Maps (n, h', w')."""
        found: Tensor = self.library.attribute(reference.normalised(self.net, images), targets, relu_attributions=True)
        return found[:, 0].detach()

    def scores(self, images: Tensor) -> Tensor:
        """Softmax scores (n, classes)."""
        scores: Tensor = self.whole(reference.normalised(self.net, images)).softmax(1)
        return scores


def _infidelity(metric: str, library: _GradCAM, image: Tensor, target: Tensor, map_: Tensor) -> Tensor:
    """Normalised, as the authors' code; the same map in all colours, for what the library explains has the image's shape."""
    from captum.metrics import infidelity

    taken, without = _taken(metric, image, map_)
    found: Tensor = infidelity(
        library.scores,
        lambda _: (taken, without),
        image[None],
        map_.expand(1, *image.shape),
        target=target,
        n_perturb_samples=len(taken),
        normalize=True,
    )
    return found[0]


def _taken(metric: str, image: Tensor, map_: Tensor) -> tuple[Tensor, Tensor]:
    """What our metric takes out of an image, pixels as a whole (1) or an amount of each colour, and the images without it."""
    clean, *asked = reference.perturbed(metric, image, map_)
    assert clean == Clean()
    without = blends(image, map_[None], [(0, one) for one in asked]).make(0, len(asked))
    pixels = [torch.from_numpy(~one.mask).to(image) if isinstance(one, Shown) else None for one in asked]
    amounts = [image - left if out is None else out.expand_as(image) for out, left in zip(pixels, without, strict=True)]
    return torch.stack(amounts), without


def _sensitivity(library: _GradCAM, image: Tensor, target: Tensor, map_: Tensor) -> Tensor:
    """Of the library's own Grad-CAM; its maps are fitted and stretched as ours are, in whose shares the distance is."""
    from captum.metrics import sensitivity_max

    near = reference.moved("max_sensitivity", image, map_)

    def explain(given: Tensor | tuple[Tensor]) -> tuple[Tensor]:
        images = given if isinstance(given, Tensor) else given[0]
        return (reference.fitted(DEFAULT, library(images, target.expand(len(images))), images),)

    found: Tensor = sensitivity_max(explain, image[None], lambda _: near, n_perturb_samples=len(near))
    return found[0]
