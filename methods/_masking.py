"""What the methods share that score masked images: how activations make masks, and the scores of what the masks show."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.postprocess import fit, stretch

Weights = Literal["softmax", "logit"]  # the score of the target that a masked image is given
Channels = Literal["plain", "softmax"]  # the scores of the channels as they are, or a softmax over them
First = Literal[
    "fit", "stretch"
]  # what makes a mask of a channel: fit, then stretch (the papers), or the other way round
Masks = Callable[[int, int], Tensor]  # (start, stop) -> (stop - start, h, w)


@dataclass(frozen=True)
class Shown:
    """An image (3, h, w) behind masks, the blank one where a mask is 0, scored for a target ()."""

    net: Net
    image: Tensor
    blank: Tensor
    target: Tensor
    weights: Weights = "softmax"

    def by(self, count: int, masks: Masks) -> Tensor:
        """The scores (count,), float64, by so many masks; beyond [0, 1] a mask extrapolates."""
        stream = Stream(count, lambda start, stop: torch.lerp(self.blank, self.image, masks(start, stop)[:, None]))
        scores = self.net.scores(stream) if self.weights == "softmax" else self.net.logits(stream).double()
        return scores[:, self.target]

    def whole(self) -> Tensor:
        """The score (1,) of the image itself."""
        return self.by(1, lambda *_: torch.ones_like(self.image[:1]))

    def nothing(self) -> Tensor:
        """The score (1,) of the blank image."""
        return self.by(1, lambda *_: torch.zeros_like(self.image[:1]))


def masks_of(activations: Tensor, image: Tensor, first: First = "fit") -> Tensor:
    """Masks (n, h, w) in [0, 1] of activations (n, h', w') for an image (3, h, w); that of a constant channel is 0."""
    size = (image.shape[1], image.shape[2])
    return stretch(fit(activations, size)) if first == "fit" else fit(stretch(activations), size)


def varied(activations: Tensor) -> Tensor:
    """Which of the channels (k, h', w') are not constant: a constant one has no mask."""
    return activations.amax((1, 2)) > activations.amin((1, 2))


def combined(weights: Tensor, activations: Tensor) -> Tensor:
    """The map (h', w'): ReLU(sum_k w_k A_k)."""
    return torch.tensordot(weights.to(activations.dtype), activations, 1).relu()
