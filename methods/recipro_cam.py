"""Recipro-CAM: the class score of each place of the activations when all the others are masked (Byun & Lee, 2022)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net

VERSION = 1


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, kernel: Literal["point", "gaussian"] = "point") -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): at each place the target's softmax score.

    It is that of activations which hold the place's own values there and 0 elsewhere, as in the authors' code; with
    kernel=gaussian the place's values are spread over its neighbours, by 1/4, 1/8 and 1/16. Only what follows the activations
    runs again, once for each place.
    """

    def one(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        height, width = activations.shape[1:]
        values, spread = activations.flatten(1).T, _kernels(height, width, kernel).to(activations)

        def masked(start: int, stop: int) -> Tensor:
            return values[start:stop, :, None, None] * spread[start:stop]

        scores = net.classified(Stream(len(values), masked)).double().softmax(1)[:, target]
        return scores.view(height, width).to(activations.dtype)

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])


def _kernels(height: int, width: int, kernel: str) -> Tensor:
    """What each place's values are weighted by all over: (h' w', 1, h', w')."""
    places = torch.eye(height * width).view(-1, 1, height, width)
    if kernel == "point":
        return places
    line = torch.tensor([0.25, 0.5, 0.25])
    return conv2d(places, torch.outer(line, line)[None, None], padding=1)
