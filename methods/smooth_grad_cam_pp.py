"""Smooth Grad-CAM++: Grad-CAM++ with powers of gradients averaged over noisy images (Omeiza et al., IntelliSys 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..bench.core.constraints import Count, NonNegative
from ..bench.forward.device import move_to_device
from ..bench.nets.net import Net
from ._gradients import ScoreKind, compute_gradients
from ._seeds import make_generators

VERSION = 2
MOST_COPIES = 32  # of images, in a pass


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int] | None = None,
    *,
    seed: int = 0,
    samples: Count = 8,
    sigma: NonNegative = 0.15,
    of: ScoreKind = "logit",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k^c A_k).

    w_k^c is the sum over positions of alpha * ReLU(D1), with alpha = D2 / (2 D2 + sum_ab A_ab D3) and Dp the mean of g^p over
    `samples` copies of the image with Gaussian noise. The noise has the standard deviation `sigma`, on pixels in [0, 1]
    (SmoothGrad's 15 %), and depends on the seed and the image alone. g is the gradient of the score `of` the class.
    """
    activations = net.compute_activations(images)  # (n, k, h', w')
    generators = make_generators(images, seeds, seed)
    noises = torch.stack([torch.randn(samples, *images.shape[1:], generator=each) for each in generators])
    copies = images[:, None] + sigma * move_to_device(noises, images.device)  # (n, samples, 3, h, w)
    step = max(1, MOST_COPIES // samples)  # images
    gradients = [
        compute_gradients(net, part.flatten(0, 1), part_targets.repeat_interleave(samples), of)[1]
        for part, part_targets in zip(copies.split(step), targets.split(step), strict=True)
    ]
    return _combine(activations, torch.cat(gradients).unflatten(0, (len(images), samples)))


def _combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return maps (n, h', w') of activations (n, k, h', w') and of the noisy images' gradients (n, samples, k, h', w')."""
    first, second, third = (gradients.pow(power).mean(1) for power in (1, 2, 3))  # (n, k, h', w')
    denominators = 2 * second + activations.sum((2, 3), keepdim=True) * third
    # The paper prints D1 as the numerator, which without noise would not be Grad-CAM++. Here, as in torchcam, it is D2.
    alphas = second / torch.where(denominators != 0, denominators, torch.inf)
    weights = (alphas * first.relu()).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()
