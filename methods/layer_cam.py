"""Layer-CAM: activations times their positive gradients, at one or several layers (Jiang et al., TIP 2021)."""

from functools import reduce

import torch
from torch import Tensor

from ..bench.core.constraints import Positive
from ..bench.nets.net import Net
from ..bench.scoring.postprocess import fit
from ._gradients import ScoreKind, compute_gradients, compute_layer_gradients, select_scores
from ._library import parse_layer_names

VERSION = 1


def explain(
    net: Net, images: Tensor, targets: Tensor, *, layers: str = "", gamma: Positive = 2, of: ScoreKind = "logit"
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): M = ReLU(sum_k ReLU(dy^c/dA_k) * A_k).

    y^c is the score `of` the class, in the paper its logit. With several `layers` (layer2+layer3+layer4) each map is scaled to
    tanh(gamma M / max M), eq. 9, and fitted to the finest map; the result is the maximum at each position. Raise NotApplicable
    if the net has no such layer.
    """
    if names := parse_layer_names(layers):
        parts = net.split_at(names)
        pairs = compute_layer_gradients(parts, images, lambda logits: select_scores(net, logits, targets, of))
    else:
        pairs = [compute_gradients(net, images, targets, of)]
    maps = [
        (gradients.relu() * activations).sum(1).relu() for activations, gradients in pairs
    ]  # (n, h', w'), fine to coarse
    if len(maps) == 1:
        return maps[0]
    height, width = (max(map_.shape[side] for map_ in maps) for side in (1, 2))
    return reduce(torch.maximum, [fit(_scale(map_, gamma), (height, width)) for map_ in maps])


def _scale(maps: Tensor, gamma: float) -> Tensor:
    """Return maps on one scale (eq. 9), because shallow layers have fainter maps than deep ones. A map of zeros stays zero."""
    highest = maps.amax((1, 2), keepdim=True)
    return (gamma * maps / torch.where(highest > 0, highest, torch.inf)).tanh()
