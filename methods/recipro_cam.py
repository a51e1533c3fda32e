"""Recipro-CAM: the class score of each position of the activations alone, all others set to 0 (Byun and Lee, 2022)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net

VERSION = 1


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, kernel: Literal["point", "gaussian"] = "point") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): at each position a softmax score.

    It is the target's score of activations that keep their values at this position and are 0 elsewhere, as in the authors'
    code. With kernel=gaussian the position's values are also spread over its neighbours, with weights 1/4, 1/8 and 1/16. Only
    the layers after the activations run again, once for each position.
    """

    def explain_image(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        height, width = activations.shape[1:]
        values, kernels = activations.flatten(1).T, _make_kernels(height, width, kernel).to(activations)

        def masked(start: int, stop: int) -> Tensor:
            return values[start:stop, :, None, None] * kernels[start:stop]

        scores = net.classify_stream(Stream(len(values), masked)).double().softmax(1)[:, target]
        return scores.view(height, width).to(activations.dtype)

    return torch.stack([explain_image(*pair) for pair in zip(images, targets, strict=True)])


def _make_kernels(height: int, width: int, kernel: str) -> Tensor:
    """Return the weights (h' w', 1, h', w') with which each position's values are placed over the activations."""
    positions = torch.eye(height * width).view(-1, 1, height, width)
    if kernel == "point":
        return positions
    line = torch.tensor([0.25, 0.5, 0.25])
    return conv2d(positions, torch.outer(line, line)[None, None], padding=1)
