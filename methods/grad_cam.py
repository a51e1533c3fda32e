"""Grad-CAM: activations weighted by the mean gradient of the class score (Selvaraju et al., ICCV 2017, eq. 1-2)."""

from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import ScoreKind, compute_gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: ScoreKind = "logit") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k alpha_k^c A_k).

    alpha_k^c is the mean over positions of dy^c/dA_k; y^c is the score `of` the class, in the paper its logit.
    """
    activations, gradients = compute_gradients(net, images, targets, of)  # (n, k, h', w')
    weights = gradients.mean((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()
