"""Control: the edges of the image, without the net; a map that only traces contours looks sharp but explains no class."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ..bench.forward.device import move_to_device
from ..bench.nets.net import Net

VERSION = 1
CONTROL = True
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's grey


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w): the magnitude of the Sobel filter on the grey image.

    Border pixels are repeated.
    """
    luma, filters = (move_to_device(values, images.device) for values in (torch.tensor(LUMA), _make_filters()))
    grey = torch.tensordot(images, luma, ([1], [0]))[:, None]
    gradients = conv2d(pad(grey, (1, 1, 1, 1), mode="replicate"), filters)
    return torch.linalg.vector_norm(gradients, dim=1)


def _make_filters() -> Tensor:
    """Return the Sobel filters (2, 1, 3, 3), along rows and along columns."""
    horizontal = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0]))
    return torch.stack([horizontal, horizontal.T])[:, None]
