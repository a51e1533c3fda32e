"""Finer-CAM: Grad-CAM of what sets a class apart from those most like it (Zhang et al., CVPR 2025, arXiv 2501.11309)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import Of, gradients_of, score

Gamma = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]

VERSION = 1


def explain(
    net: Net, images: Tensor, targets: Tensor, *, gamma: Gamma = 0.6, references: Count = 3, of: Of = "logit"
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): Grad-CAM of y^c - gamma * mean_d y^d.

    y is the score `of` a class, in the paper its logit; d are the `references` whose logits are nearest to that of c. The
    mean is taken before the ReLU, as in the paper; the authors' code weighs each d by its softmax score, and gamma is 1.
    """

    def difference(logits: Tensor) -> Tensor:
        similar = _similar(logits.detach(), targets, references)
        others = torch.stack([score(logits, one, of) for one in similar.T])
        return score(logits, targets, of) - gamma * others.mean(0)

    activations, slopes = gradients_of(net, images, difference)  # (n, k, h', w')
    weights = slopes.mean((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()


def _similar(logits: Tensor, targets: Tensor, references: int) -> Tensor:
    """The classes (n, references) whose logits are nearest to the targets', fewer where there are not so many."""
    distances = (logits - logits.gather(1, targets[:, None])).abs()
    distances.scatter_(1, targets[:, None], torch.inf)
    return distances.argsort(dim=1, stable=True)[:, : min(references, logits.shape[1] - 1)]
