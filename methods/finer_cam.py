"""Finer-CAM: Grad-CAM of the score difference between a class and the classes most like it (Zhang et al., CVPR 2025)."""

import torch
from torch import Tensor

from ..bench.core.constraints import Count, NonNegative
from ..bench.nets.net import Net
from ._gradients import ScoreKind, compute_score_gradients, select_scores

VERSION = 1


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    gamma: NonNegative = 0.6,
    references: Count = 3,
    of: ScoreKind = "logit",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): Grad-CAM of y^c - gamma * mean_d y^d.

    y is the score `of` a class, in the paper its logit; d are the `references` classes whose logits are nearest to that of c.
    The mean over d is taken before the ReLU, as in the paper (arXiv 2501.11309). The authors' code weights each d by its
    softmax score, with gamma = 1.
    """

    def difference(logits: Tensor) -> Tensor:
        similar = _find_similar(logits.detach(), targets, references)
        similar_scores = torch.stack([select_scores(net, logits, classes, of) for classes in similar.T])
        return select_scores(net, logits, targets, of) - gamma * similar_scores.mean(0)

    activations, gradients = compute_score_gradients(net, images, difference)  # (n, k, h', w')
    weights = gradients.mean((2, 3), keepdim=True)
    return (weights * activations).sum(1).relu()


def _find_similar(logits: Tensor, targets: Tensor, references: int) -> Tensor:
    """Return the classes (n, references) whose logits are nearest to the targets'; all other classes if there are fewer."""
    distances = (logits - logits.gather(1, targets[:, None])).abs()
    distances.scatter_(1, targets[:, None], torch.inf)
    return distances.argsort(dim=1, stable=True)[:, : min(references, logits.shape[1] - 1)]
