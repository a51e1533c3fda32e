"""What the gradient methods share: activations, and the gradients of a score of the target with respect to them."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..bench.nets.net import Net

Of = Literal["logit", "softmax", "log_softmax", "rest"]  # rest: logit + log-softmax, ShapleyCAM's


def gradients(net: Net, images: Tensor, targets: Tensor, of: Of) -> tuple[Tensor, Tensor]:
    """Activations (n, k, h', w') of images (n, 3, h, w), and the gradients of the targets' scores, of the same shape."""
    return gradients_of(net, images, lambda logits: score(logits, targets, of))


def gradients_of(net: Net, images: Tensor, scored: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Activations at the net's cut, and the gradients of the images' scores (n,), any function of their logits."""
    return gradients_behind([net.features, net.classify], images, scored)[0]


def gradients_behind(
    parts: Sequence[nn.Module], images: Tensor, scored: Callable[[Tensor], Tensor]
) -> list[tuple[Tensor, Tensor]]:
    """Activations and gradients behind each part of a net but the last, from one pass there and back."""
    with torch.no_grad():
        activations = [parts[0](images).requires_grad_()]
    for part in parts[1:-1]:
        activations.append(part(spared(activations[-1])))
    scores = scored(parts[-1](spared(activations[-1]))).sum()
    slopes = torch.autograd.grad(scores, activations)
    return [(one.detach(), slope) for one, slope in zip(activations, slopes, strict=True)]


def spared(activations: Tensor) -> Tensor:
    """A copy for the rest of the net, which may begin with a ReLU in place; gradients reach the activations through it."""
    return activations.clone()


def score(logits: Tensor, targets: Tensor, of: Of) -> Tensor:
    """The scores (n,) of the targets (n,), of logits (n, classes)."""
    kinds = {
        "logit": lambda: logits,
        "softmax": lambda: logits.softmax(1),
        "log_softmax": lambda: logits.log_softmax(1),
        "rest": lambda: logits + logits.log_softmax(1),
    }
    return kinds[of]().gather(1, targets[:, None])[:, 0]
