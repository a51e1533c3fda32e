"""Opti-CAM: the weighted sum of activations that maximises the class score of the image it masks (Zhang et al., CVIU 2024)."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..bench.core.constraints import Count, Positive
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_substrate
from ..bench.scoring.perturbations import Substrate
from ..bench.scoring.postprocess import fit, stretch
from ._masking import find_non_constant

VERSION = 1
DEAR = True


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
    stops at the first tenth of the iterations whose score is no better than the one before. Images are optimised at once,
    each with its own u, in fp32, whatever the precision of perturbed images.
    """

    activations = net.compute_activations(images).detach()  # (n, k, h', w')
    # A constant channel only shifts and scales S(u), which stretching undoes.
    live = find_non_constant(activations)
    has_live = live.any(1)[:, None, None]
    blanks = torch.stack([make_substrate(image, fill) for image in images])

    def score(maps: Tensor) -> Tensor:
        masks = stretch(fit(maps, (images.shape[2], images.shape[3])))
        return net(torch.lerp(blanks, images, masks[:, None])).gather(1, targets[:, None]).sum()

    maps = _maximise(score, activations, live | ~has_live[:, :, 0], iterations, rate)
    return torch.where(has_live, maps, 0)


def _maximise(
    score: Callable[[Tensor], Tensor], activations: Tensor, live: Tensor, iterations: int, rate: float
) -> Tensor:
    """Return the maps S(u) (n, h', w') of the live channels of activations (n, k, h', w') whose summed score is maximal."""

    def combine(u: Tensor) -> Tensor:
        return torch.einsum("nk,nkhw->nhw", u.masked_fill(~live, -torch.inf).softmax(1), activations)

    u = torch.zeros(activations.shape[:2], device=activations.device, requires_grad=True)
    adam = torch.optim.Adam([u], lr=rate, maximize=True)  # works element by element, so each image is optimised alone
    for _ in range(iterations):
        (u.grad,) = torch.autograd.grad(score(combine(u)), u)
        adam.step()
    return combine(u.detach())
