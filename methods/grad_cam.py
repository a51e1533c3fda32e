"""Grad-CAM: activations weighted by the mean gradient of the class score (Selvaraju et al., ICCV 2017, eq. 1-2)."""

import torch
from torch import Tensor

from ..bench.nets import Net

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k alpha_k^c A_k), y^c a logit."""
    with torch.no_grad():
        activations = net.features(images)  # (n, k, h', w')
    activations.requires_grad_()
    scores = net.classify(activations).gather(1, targets[:, None]).sum()
    (gradients,) = torch.autograd.grad(scores, activations)
    weights = gradients.mean((2, 3), keepdim=True)
    return (weights * activations.detach()).sum(1).relu()
