"""XGrad-CAM: activations weighted by gradients that are averaged with the activations as weights (Fu et al., BMVC 2020)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import ScoreKind, compute_gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: ScoreKind = "logit") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k alpha_k^c A_k).

    alpha_k^c is the sum over positions of dS^c/dA_k * A_k, divided by the sum of A_k; S^c is the score `of` the class, in the
    paper its logit. A channel whose activations sum to 0 has the weight 0; the authors' code adds 1e-6 to the sum instead.
    """
    activations, gradients = compute_gradients(net, images, targets, of)  # (n, k, h', w')
    totals = activations.sum((2, 3), keepdim=True)
    weights = (gradients * activations).sum((2, 3), keepdim=True) / torch.where(totals != 0, totals, torch.inf)
    return (weights * activations).sum(1).relu()
