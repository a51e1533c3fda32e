"""Opti-CAM: the weighted sum of activations that maximises the class score of the image it masks (Zhang et al., CVIU 2024)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ..bench.core.constraints import Count, Positive
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_fill
from ..bench.scoring.perturbations import Fill
from ..bench.scoring.postprocess import fit, stretch
from ._masking import find_non_constant

VERSION = 2
EXPENSIVE = True
CHECKS = 10  # how often an image's score is compared with the one before


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    iterations: Count = 50,
    rate: Positive = 0.1,
    stop: bool = True,
    fill: Fill = "mean",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): S(u) = sum_k softmax(u)_k A_k.

    u starts at 0; Adam maximises the target's logit of the image masked by S(u), fitted to the image and stretched to [0, 1].
    The iterations and the rate are the authors' defaults, and so is `stop`: after each tenth of the iterations an image whose
    logit is lower than a tenth before is left as it is. All iterations are computed nevertheless: to end once all images have
    stopped would make a GPU wait at each check, and the forwards depend on the images. `fill` replaces masked pixels, by
    default as in the metrics; the authors' code masks before it normalises (fill=black). Images are optimised at once, each
    with its own u, in fp32, whatever the precision of perturbed images. Adam amplifies rounding: after 50 iterations a change
    of the pixels by 1e-7 has moved maps by up to .04.
    """
    activations = net.compute_activations(images).detach()  # (n, k, h', w')
    # A constant channel only shifts and scales S(u), which stretching undoes.
    live = find_non_constant(activations)
    has_live = live.any(1)[:, None, None]
    blanks = torch.stack([make_fill(image, fill) for image in images])

    def score(maps: Tensor) -> Tensor:
        masks = stretch(fit(maps, (images.shape[2], images.shape[3])))
        return net(torch.lerp(blanks, images, masks[:, None])).gather(1, targets[:, None])[:, 0]

    combine = partial(_combine, activations, live | ~has_live[:, :, 0])
    u = torch.zeros(activations.shape[:2], device=activations.device)
    every = max(iterations // CHECKS, 1) if stop else iterations
    u = _maximise(lambda u: score(combine(u)), u, iterations, rate, every)
    return torch.where(has_live, combine(u), 0)


def _combine(activations: Tensor, live: Tensor, u: Tensor) -> Tensor:
    """Return the maps S(u) (n, h', w') of the live channels of activations (n, k, h', w')."""
    return torch.einsum("nk,nkhw->nhw", u.masked_fill(~live, -torch.inf).softmax(1), activations)


def _maximise(score: Callable[[Tensor], Tensor], start: Tensor, iterations: int, rate: float, every: int) -> Tensor:
    """Return u (n, k) that maximises each image's score (n,), from `start` on.

    An image whose score is lower than `every` iterations before keeps its u.
    """
    u, kept = start.clone().requires_grad_(), start
    before, stopped = torch.full_like(start[:, 0], -torch.inf), torch.zeros_like(start[:, 0], dtype=torch.bool)
    adam = torch.optim.Adam([u], lr=rate, maximize=True)  # works element by element, so each image is optimised alone
    for step in range(iterations):
        scores = score(u)
        if step % every == 0:
            stops = ~stopped & (scores.detach() < before)
            kept, stopped = torch.where(stops[:, None], u.detach(), kept), stopped | stops
            before = scores.detach()
        (u.grad,) = torch.autograd.grad(scores.sum(), u)
        adam.step()
    return torch.where(stopped[:, None], kept, u.detach())
