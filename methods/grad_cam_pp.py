"""Grad-CAM++: activations weighted by positive gradients times pixel-wise coefficients (Chattopadhyay et al., WACV 2018)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import ScoreKind, compute_gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: ScoreKind = "logit") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k^c A_k).

    w_k^c is the sum over positions of alpha * ReLU(g), with g = dS^c/dA_k, S^c the score `of` the class (in the paper its
    logit) and alpha = g^2 / (2 g^2 + sum_ab A_ab g^3), eq. 19. The authors' code also divides the alphas of a channel by
    their sum; neither eq. 19 nor pytorch-grad-cam does.
    """
    # The paper explains Y = exp(S). Every derivative of Y has the factor exp(S), which cancels in alpha and only scales the
    # map. It is omitted, as in pytorch-grad-cam.
    activations, gradients = compute_gradients(net, images, targets, of)  # (n, k, h', w')
    # g^2 cancels as well. pytorch-grad-cam keeps it and adds 1e-6 to the denominator, which gives small gradients less weight.
    denominators = 2 + activations.sum((2, 3), keepdim=True) * gradients
    alphas = 1 / torch.where(denominators != 0, denominators, torch.inf)
    weights = (alphas * gradients.relu()).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()
