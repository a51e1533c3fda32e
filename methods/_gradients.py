"""What the gradient methods share: the activations at the cut, and the gradients of the target's score by them."""

from typing import Literal

import torch
from torch import Tensor

from ..bench.nets import Net

Of = Literal["logit", "softmax", "log_softmax", "rest"]  # rest: logit + log-softmax, ShapleyCAM's


def gradients(net: Net, images: Tensor, targets: Tensor, of: Of) -> tuple[Tensor, Tensor]:
    """Activations (n, k, h', w') of images (n, 3, h, w), and the gradients of the targets' scores, of the same shape."""
    with torch.no_grad():
        activations = net.features(images)
    activations.requires_grad_()
    scores = score(net.classify(activations), targets, of).sum()
    (slopes,) = torch.autograd.grad(scores, activations)
    return activations.detach(), slopes


def score(logits: Tensor, targets: Tensor, of: Of) -> Tensor:
    """The scores (n,) of the targets (n,), of logits (n, classes)."""
    kinds = {
        "logit": lambda: logits,
        "softmax": lambda: logits.softmax(1),
        "log_softmax": lambda: logits.log_softmax(1),
        "rest": lambda: logits + logits.log_softmax(1),
    }
    return kinds[of]().gather(1, targets[:, None])[:, 0]
