"""Recipro-CAM: the class score of each position of the activations alone, all others set to 0 (Byun and Lee, 2022)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from ..bench.forward.device import move_to_device, widen
from ..bench.forward.forward import Stream, join_streams
from ..bench.nets.net import Net
from ._masking import select_targets

VERSION = 1
EXPENSIVE = True


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, kernel: Literal["point", "gaussian"] = "point") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): at each position a class score.

    It is the target's score of activations that keep their values at this position and are 0 elsewhere, as in the authors'
    code. With kernel=gaussian the position's values are also spread over its neighbours, with weights 1/4, 1/8 and 1/16. Only
    the layers after the activations run again, once for each position.
    """

    activations = net.compute_activations(images)  # (n, k, h', w')
    height, width = activations.shape[2:]
    kernels = move_to_device(_make_kernels(height, width, kernel), activations.device)
    stream = join_streams([_keep_positions(image, kernels) for image in activations])
    scores = net.to_probabilities(widen(net.classify_stream(stream)))
    maps = select_targets(scores, targets, [height * width] * len(images))
    return torch.stack(maps).view(-1, height, width).to(activations.dtype)


def _keep_positions(activations: Tensor, kernels: Tensor) -> Stream:
    """Return the activations (k, h', w') of each position alone."""
    values = activations.flatten(1).T  # (h' w', k)
    return Stream(len(values), lambda start, stop: values[start:stop, :, None, None] * kernels[start:stop])


def _make_kernels(height: int, width: int, kernel: str) -> Tensor:
    """Return the weights (h' w', 1, h', w') with which each position's values are placed over the activations."""
    positions = torch.eye(height * width).view(-1, 1, height, width)
    if kernel == "point":
        return positions
    line = torch.tensor([0.25, 0.5, 0.25])
    return conv2d(positions, torch.outer(line, line)[None, None], padding=1)
