"""Layer-CAM: activations times their own positive gradients, at one or several layers (Jiang et al., TIP 2021)."""

from functools import reduce
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.postprocess import fit
from ._gradients import Of, gradients_behind, score

Gamma = Annotated[float, Field(gt=0)]

VERSION = 1


def explain(
    net: Net, images: Tensor, targets: Tensor, *, layers: str = "", gamma: Gamma = 2, of: Of = "logit"
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): M = ReLU(sum_k ReLU(dy^c/dA_k) * A_k).

    y^c is the score `of` the class, in the paper its logit. Of several `layers` (layer2+layer3+layer4) each map is scaled
    to tanh(gamma M / max M), fitted to the finest, and the highest value of each place taken. Raises NotApplicable where the
    net has no such layer.
    """
    names = [name for name in layers.split("+") if name]
    parts = net.parts(names or [net.layer])
    behind = gradients_behind(parts, images, lambda logits: score(logits, targets, of))
    maps = [
        (slopes.relu() * activations).sum(1).relu() for activations, slopes in behind
    ]  # (n, h', w'), fine to coarse
    if len(maps) == 1:
        return maps[0]
    height, width = (max(map_.shape[side] for map_ in maps) for side in (1, 2))
    return reduce(torch.maximum, [fit(_scaled(map_, gamma), (height, width)) for map_ in maps])


def _scaled(maps: Tensor, gamma: float) -> Tensor:
    """Maps of shallow layers are fainter than those of deep ones: eq. 9 brings them to one scale; an empty map stays empty."""
    highest = maps.amax((1, 2), keepdim=True)
    return (gamma * maps / torch.where(highest > 0, highest, torch.inf)).tanh()
