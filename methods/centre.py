"""Control: a Gaussian at the centre of every image, because photographers tend to centre their objects."""

import torch
from torch import Tensor

from ..bench.core.constraints import Positive
from ..bench.nets.net import Net

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor, *, sigma: Positive = 0.25) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w): exp(-d^2 / (2 sigma^2)).

    d is the distance of a pixel's centre from the image's centre, as a share of the image's height and width.
    """
    height, width = images.shape[-2:]
    y = (torch.arange(height, device=images.device) + 0.5) / height - 0.5
    x = (torch.arange(width, device=images.device) + 0.5) / width - 0.5
    gaussian = torch.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * sigma**2))
    return gaussian.to(images.dtype).expand(len(images), height, width)
