"""ShapleyCAM: Grad-CAM with half a Hessian-vector product taken off the gradients (Cai, 2025, arXiv 2501.06261)."""

import torch
from torch import Tensor

from ..bench.nets import Net
from ._gradients import Of, score, spared

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: Of = "rest") -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k A_k).

    w_k is the mean over places of g - H A / 2: each channel's Shapley value in a second-order expansion of the score, of
    which g is the gradient and H the Hessian at A. By default the score is the paper's ReST, logit + log-softmax; of the
    logit alone a net that is linear from the cut on has no H, and the map is Grad-CAM's.
    """
    with torch.no_grad():
        activations = net.features(images)  # (n, k, h', w')
    activations.requires_grad_()
    scores = score(net.classify(spared(activations)), targets, of).sum()
    (slopes,) = torch.autograd.grad(scores, activations, create_graph=True)
    curvatures = torch.zeros_like(activations)
    if slopes.requires_grad:  # they do not where they are the same whatever the activations
        (curvatures,) = torch.autograd.grad(slopes, activations, activations.detach(), materialize_grads=True)
    weights = (slopes.detach() - curvatures / 2).mean((2, 3), keepdim=True)
    return (weights * activations.detach()).sum(1).relu()
