"""Control: the edges of the image, whatever the net; maps that only trace contours look sharp and explain no class."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ..bench.nets.net import Net

VERSION = 1
CONTROL = True
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow's grey


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (n, h, w) of images (n, 3, h, w): the Sobel filter's magnitude of the grey image, its border pixels repeated."""
    grey = torch.tensordot(images, images.new_tensor(LUMA), ([1], [0]))[:, None]
    across = torch.outer(images.new_tensor([1, 2, 1]), images.new_tensor([-1, 0, 1]))
    slopes = conv2d(pad(grey, (1, 1, 1, 1), mode="replicate"), torch.stack([across, across.T])[:, None])
    return torch.linalg.vector_norm(slopes, dim=1)
