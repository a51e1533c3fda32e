"""Control: the edges of the image, without the net; a map that only traces contours looks sharp but explains no class."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ..bench.nets.net import Net

VERSION = 1
CONTROL = True
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's grey


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w): the magnitude of the Sobel filter on the grey image.

    Border pixels are repeated.
    """
    grey = torch.tensordot(images, images.new_tensor(LUMA), ([1], [0]))[:, None]
    horizontal = torch.outer(images.new_tensor([1, 2, 1]), images.new_tensor([-1, 0, 1]))
    gradients = conv2d(pad(grey, (1, 1, 1, 1), mode="replicate"), torch.stack([horizontal, horizontal.T])[:, None])
    return torch.linalg.vector_norm(gradients, dim=1)
