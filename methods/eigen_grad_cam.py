"""Eigen-Grad-CAM: activations times gradients along their first principal component (Gildenblat, pytorch-grad-cam, 2021)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ._components import first_component
from ._gradients import Of, gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, centred: bool = True, of: Of = "logit") -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): Eigen-CAM of dy^c/dA_k * A_k instead of A_k.

    y^c is the score `of` the class, in the library its logit. The library subtracts each channel's mean and leaves the sign
    to chance; here the map rises where HiRes-CAM's, the plain sum over channels, does. Negative values are cut off.
    """
    activations, slopes = gradients(net, images, targets, of)  # (n, k, h', w')
    return torch.stack([first_component(one, centred).relu() for one in slopes * activations])
