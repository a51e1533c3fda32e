"""Grad-CAM++: activations weighted by positive gradients, each times its alpha (Chattopadhyay et al., WACV 2018, eq. 19)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import Of, gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: Of = "logit") -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k^c A_k).

    w_k^c is the sum over places of alpha * ReLU(g), with g = dS^c/dA_k, S^c the score `of` the class (in the paper its
    logit) and alpha = g^2 / (2 g^2 + sum_ab A_ab g^3), eq. 19. The authors' code also divides the alphas of a channel by
    their sum; neither eq. 19 nor pytorch-grad-cam does.
    """
    # The paper explains Y = exp(S): each derivative of Y has the one factor exp(S), which falls out of alpha and only scales
    # the map. It is left away, as in pytorch-grad-cam.
    activations, slopes = gradients(net, images, targets, of)  # (n, k, h', w')
    # g^2 falls out as well; pytorch-grad-cam keeps it and adds 1e-6 below, which makes small gradients count for less.
    denominators = 2 + activations.sum((2, 3), keepdim=True) * slopes
    alphas = 1 / torch.where(denominators != 0, denominators, torch.inf)
    weights = (alphas * slopes.relu()).sum((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()
