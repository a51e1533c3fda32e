"""Smooth Grad-CAM++: Grad-CAM++ with the gradients' powers averaged over noisy images (Omeiza et al., IntelliSys 2019)."""

from typing import Annotated
from zlib import crc32

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import Of, gradients

Samples = Annotated[int, Field(ge=1)]
Sigma = Annotated[float, Field(ge=0)]

VERSION = 1


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    seed: int = 0,
    samples: Samples = 8,
    sigma: Sigma = 0.15,
    of: Of = "logit",
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k^c A_k).

    w_k^c is the sum over places of alpha * ReLU(D1), with alpha = D2 / (2 D2 + sum_ab A_ab D3) and Dp the mean of g^p over
    so many `samples` of the image with Gaussian noise of deviation `sigma`, a share of its range [0, 1] (SmoothGrad's 15 %).
    g is the gradient of the score `of` the class. The noise depends on the seed and the image alone.
    """
    with torch.no_grad():
        activations = net.features(images)  # (n, k, h', w')
    explained = zip(images, activations, targets, strict=True)
    return torch.stack([_explain(net, *one, seed, samples, sigma, of) for one in explained])


def _explain(
    net: Net, image: Tensor, activations: Tensor, target: Tensor, seed: int, samples: int, sigma: float, of: Of
) -> Tensor:
    _, slopes = gradients(net, _noisy(image, seed, samples, sigma), target.expand(samples), of)
    first, second, third = (slopes.pow(power).mean(0) for power in (1, 2, 3))  # (k, h', w')
    denominators = 2 * second + activations.sum((1, 2), keepdim=True) * third
    # The paper prints D1 above the line, which without noise would no longer be Grad-CAM++; with torchcam, it is taken for D2.
    alphas = second / torch.where(denominators != 0, denominators, torch.inf)
    weights = (alphas * first.relu()).sum((1, 2), keepdim=True)
    return (weights * activations).sum(0).relu()


def _noisy(image: Tensor, seed: int, samples: int, sigma: float) -> Tensor:
    generator = torch.Generator().manual_seed(crc32(image.cpu().numpy().tobytes(), seed))
    return image + sigma * torch.randn(samples, *image.shape, generator=generator).to(image)
