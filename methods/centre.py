"""Control: a Gaussian in the middle of the image, whatever the image; photographers centre their objects."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net

Sigma = Annotated[float, Field(gt=0)]

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor, *, sigma: Sigma = 0.25) -> Tensor:
    """Maps (n, h, w) of images (n, 3, h, w): exp(-d^2 / 2 sigma^2), d the distance from the centre in image widths."""
    height, width = images.shape[-2:]
    y = (torch.arange(height, device=images.device) + 0.5) / height - 0.5
    x = (torch.arange(width, device=images.device) + 0.5) / width - 0.5
    gaussian = torch.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * sigma**2))
    return gaussian.to(images.dtype).expand(len(images), height, width)
