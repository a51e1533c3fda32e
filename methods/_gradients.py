"""Activations, and gradients of the target's score with respect to them, for the gradient-based methods."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from ..bench.nets.net import Net

ScoreKind = Literal["logit", "softmax", "log_softmax", "rest"]  # rest: logit + log-softmax (ShapleyCAM's ReST)
ScoreFunction = Callable[[Tensor], Tensor]  # logits (n, classes) -> scores (n,)


def compute_gradients(net: Net, images: Tensor, targets: Tensor, of: ScoreKind) -> tuple[Tensor, Tensor]:
    """Return activations (n, k, h', w') of images (n, 3, h, w), and the gradients of the targets' scores, of the same shape."""
    return net.once(  # Grad-CAM and its kin need the same two tensors
        images,
        ("gradients", of, id(targets)),
        lambda: compute_score_gradients(net, images, lambda logits: select_scores(net, logits, targets, of)),
    )


def compute_score_gradients(net: Net, images: Tensor, score: ScoreFunction) -> tuple[Tensor, Tensor]:
    """Return activations at the net's cut, and the gradients of any score of the logits with respect to them."""
    activations = net.compute_activations(images).detach().requires_grad_()
    total = score(net.classify(copy_activations(activations))).sum()
    (gradients,) = torch.autograd.grad(total, activations)
    return activations.detach(), gradients


def compute_layer_gradients(
    parts: Sequence[nn.Module], images: Tensor, score: ScoreFunction
) -> list[tuple[Tensor, Tensor]]:
    """Return activations and gradients after each part of a net but the last, from one forward and one backward pass."""
    with torch.no_grad():
        activations = [parts[0](images).requires_grad_()]
    for part in parts[1:-1]:
        activations.append(part(copy_activations(activations[-1])))
    total = score(parts[-1](copy_activations(activations[-1]))).sum()
    gradients = torch.autograd.grad(total, activations)
    return [(layer.detach(), gradient) for layer, gradient in zip(activations, gradients, strict=True)]


def copy_activations(activations: Tensor) -> Tensor:
    """Return a differentiable copy for the next layer, which may be an in-place ReLU that would overwrite the activations."""
    return activations.clone()


def select_scores(net: Net, logits: Tensor, targets: Tensor, of: ScoreKind) -> Tensor:
    """Return the scores (n,) of the targets (n,), from logits (n, classes).

    `softmax` is the class's probability and `log_softmax` its logarithm: by a sigmoid, if the net's classes do not exclude each
    other.
    """
    transforms = {
        "logit": lambda: logits,
        "softmax": lambda: net.to_probabilities(logits),
        "log_softmax": lambda: net.to_log_probabilities(logits),
        "rest": lambda: logits + net.to_log_probabilities(logits),
    }
    return transforms[of]().gather(1, targets[:, None])[:, 0]
