"""Opti-CAM: the weighted sum of activations that maximises the class score of the image it masks (Zhang et al., CVIU 2024)."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..bench.core.constraints import Count, Positive
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import find_non_constant, make_masks

VERSION = 1


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    iterations: Count = 100,
    rate: Positive = 0.1,
    fill: Substrate = "mean",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): S(u) = sum_k softmax(u)_k A_k.

    u starts at 0; Adam maximises the target's logit of the image masked by S(u), fitted to the image and stretched to [0, 1].
    `fill` replaces masked pixels, by default as in the metrics. The authors' code masks before it normalises (fill=black), and
    stops at the first tenth of the iterations whose score is no better than the one before. Each image is optimised alone and
    in fp32, whatever the precision of perturbed images.
    """

    def explain_image(image: Tensor, target: Tensor) -> Tensor:
        with torch.no_grad():
            activations = net.features(image[None])[0]  # (k, h', w')
        # A constant channel only shifts and scales S(u), which stretching undoes.
        live = activations[find_non_constant(activations)]
        if not len(live):
            return torch.zeros_like(activations[0])
        blank = make_substrate(image, fill)

        def score(map_: Tensor) -> Tensor:
            return net(torch.lerp(blank, image, make_masks(map_[None], image))[None])[0, target]

        return _maximise(score, live, iterations, rate)

    return torch.stack([explain_image(*pair) for pair in zip(images, targets, strict=True)])


def _maximise(score: Callable[[Tensor], Tensor], activations: Tensor, iterations: int, rate: float) -> Tensor:
    """Return the map S(u) (h', w') of activations (k, h', w') whose score has been maximised."""
    u = torch.zeros(len(activations), device=activations.device, requires_grad=True)
    adam = torch.optim.Adam([u], lr=rate, maximize=True)
    for _ in range(iterations):
        (u.grad,) = torch.autograd.grad(score(torch.tensordot(u.softmax(0), activations, 1)), u)
        adam.step()
    return torch.tensordot(u.detach().softmax(0), activations, 1)
