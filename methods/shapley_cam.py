"""ShapleyCAM: Grad-CAM with half a Hessian-vector product subtracted from the gradients (Cai, 2025, arXiv 2501.06261)."""

import torch
from torch import Tensor

from ..bench.core.errors import NotApplicable
from ..bench.nets.net import Net
from ._gradients import ScoreKind, copy_activations, select_scores

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, of: ScoreKind = "rest") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k A_k).

    w_k is the mean over positions of g - H A / 2: each channel's Shapley value in a second-order expansion of the score, with
    g the score's gradient and H its Hessian at A. By default the score is the paper's ReST, logit + log-softmax. The logit
    alone of a net that is linear after the cut has H = 0, and the map is Grad-CAM's. Raise NotApplicable if torch cannot
    differentiate a layer twice.
    """
    activations = net.compute_activations(images).detach().requires_grad_()  # (n, k, h', w')
    total = select_scores(net, net.classify(copy_activations(activations)), targets, of).sum()
    (gradients,) = torch.autograd.grad(total, activations, create_graph=True)
    products = (
        _compute_hessian_product(activations, gradients) if gradients.requires_grad else torch.zeros_like(activations)
    )
    weights = (gradients.detach() - products / 2).mean((2, 3), keepdim=True)
    return (weights * activations.detach()).sum(1).relu()


def _compute_hessian_product(activations: Tensor, gradients: Tensor) -> Tensor:
    """Return H A, the derivative of the gradients in the direction of the activations."""
    try:
        (product,) = torch.autograd.grad(gradients, activations, activations.detach(), materialize_grads=True)
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        raise NotApplicable(f"ShapleyCAM needs second derivatives, which torch does not have: {error}") from None
    return product
