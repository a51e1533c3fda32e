"""ShapleyCAM: Grad-CAM with half a Hessian-vector product taken off the gradients (Cai, 2025, arXiv 2501.06261)."""

import torch
from torch import Tensor

from ..bench.core.errors import NotApplicable
from ..bench.nets.net import Net
from ._gradients import Of, score, spared

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: Of = "rest") -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k A_k).

    w_k is the mean over places of g - H A / 2: each channel's Shapley value in a second-order expansion of the score, of
    which g is the gradient and H the Hessian at A. By default the score is the paper's ReST, logit + log-softmax; the logit
    alone of a net that is linear behind the cut has no H, and the map is Grad-CAM's. Raises NotApplicable where torch
    cannot differentiate a layer twice.
    """
    with torch.no_grad():
        activations = net.features(images)  # (n, k, h', w')
    activations.requires_grad_()
    scores = score(net.classify(spared(activations)), targets, of).sum()
    (slopes,) = torch.autograd.grad(scores, activations, create_graph=True)
    curvatures = _along(activations, slopes) if slopes.requires_grad else torch.zeros_like(activations)
    weights = (slopes.detach() - curvatures / 2).mean((2, 3), keepdim=True)
    return (weights * activations.detach()).sum(1).relu()


def _along(activations: Tensor, slopes: Tensor) -> Tensor:
    """H A, the change of the gradients along the activations."""
    try:
        (found,) = torch.autograd.grad(slopes, activations, activations.detach(), materialize_grads=True)
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        raise NotApplicable(f"ShapleyCAM needs second derivatives, which torch does not have: {error}") from None
    return found
