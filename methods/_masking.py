"""Masks made of activations, and the scores of masked images, for the methods that score masked images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.postprocess import fit, stretch

Weights = Literal["softmax", "logit"]  # the target's score of a masked image
Channels = Literal["plain", "softmax"]  # the channels' scores as they are, or a softmax over the channels
First = Literal["fit", "stretch"]  # the order in which a channel becomes a mask; the papers fit first, then stretch
MakeMasks = Callable[[int, int], Tensor]  # (start, stop) -> masks (stop - start, h, w)


@dataclass(frozen=True)
class MaskedImage:
    """An image (3, h, w) to be masked and scored for a target (); where a mask is 0, `blank` (3, h, w) shows."""

    net: Net
    image: Tensor
    blank: Tensor
    target: Tensor
    weights: Weights = "softmax"

    def score_masks(self, count: int, masks: MakeMasks) -> Tensor:
        """Return the scores (count,), float64, of the image under each of `count` masks; masks outside [0, 1] extrapolate."""
        stream = Stream(count, lambda start, stop: torch.lerp(self.blank, self.image, masks(start, stop)[:, None]))
        scores = self.net.scores(stream) if self.weights == "softmax" else self.net.logits(stream).double()
        return scores[:, self.target]

    def score_image(self) -> Tensor:
        """Return the score (1,) of the image without a mask."""
        return self.score_masks(1, lambda *_: torch.ones_like(self.image[:1]))

    def score_blank(self) -> Tensor:
        """Return the score (1,) of the blank image."""
        return self.score_masks(1, lambda *_: torch.zeros_like(self.image[:1]))


def make_masks(activations: Tensor, image: Tensor, first: First = "fit") -> Tensor:
    """Make masks (n, h, w) in [0, 1] of activations (n, h', w') for an image (3, h, w); a constant channel's mask is 0."""
    size = (image.shape[1], image.shape[2])
    return stretch(fit(activations, size)) if first == "fit" else fit(stretch(activations), size)


def find_non_constant(activations: Tensor) -> Tensor:
    """Tell which of the channels (k, h', w') are not constant: booleans (k,). A constant channel makes no mask."""
    return activations.amax((1, 2)) > activations.amin((1, 2))


def combine(weights: Tensor, activations: Tensor) -> Tensor:
    """Return the map (h', w') of weights (k,) and activations (k, h', w'): ReLU(sum_k w_k A_k)."""
    return torch.tensordot(weights.to(activations.dtype), activations, 1).relu()
