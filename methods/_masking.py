"""Masks made of activations, and the scores of masked images, for the methods that score masked images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..bench.forward.device import find_widest_dtype, move_to_device, widen
from ..bench.forward.forward import Stream, join_streams
from ..bench.nets.net import Net
from ..bench.scoring.postprocess import fit, stretch

Weights = Literal["softmax", "logit"]  # the target's score of a masked image
Channels = Literal["plain", "softmax"]  # the channels' scores as they are, or a softmax over the channels
First = Literal["fit", "stretch"]  # the order in which a channel becomes a mask; the papers fit first, then stretch
MakeMasks = Callable[[int, int], Tensor]  # (start, stop) -> masks (stop - start, h, w)


@dataclass(frozen=True)
class MaskedImage:
    """An image (3, h, w) to be masked; where a mask is 0, `blank` (3, h, w) shows."""

    image: Tensor
    blank: Tensor

    def show_masks(self, count: int, masks: MakeMasks) -> Stream:
        """Return the image under each of `count` masks; masks outside [0, 1] extrapolate."""
        return Stream(count, lambda start, stop: torch.lerp(self.blank, self.image, masks(start, stop)[:, None]))

    def show_image(self) -> Stream:
        """Return the image without a mask."""
        return Stream(1, lambda *_: self.image[None])

    def show_blank(self) -> Stream:
        """Return the blank image."""
        return Stream(1, lambda *_: self.blank[None])


def score_streams(
    net: Net, streams: Sequence[Stream], targets: Tensor, weights: Weights = "softmax"
) -> tuple[Tensor, ...]:
    """Return the scores (count,) of each stream for its target; the streams (n of them) share batches."""
    counts = [stream.count for stream in streams]
    if not sum(counts):
        return targets.new_zeros(0, dtype=find_widest_dtype(targets.device)).split(counts)
    stream = join_streams(streams)
    scores = net.scores(stream) if weights == "softmax" else widen(net.logits(stream))
    return select_targets(scores, targets, counts)


def select_targets(scores: Tensor, targets: Tensor, counts: Sequence[int]) -> tuple[Tensor, ...]:
    """Split the scores (sum of counts, classes) of several streams, and return those of each stream's target."""
    repeats = move_to_device(torch.tensor(counts), targets.device)
    columns = targets.repeat_interleave(repeats, output_size=len(scores))
    return scores.gather(1, columns[:, None])[:, 0].split(list(counts))


def sort_live(values: Tensor, live: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return for each image the live ones of its channels (n, k, h', w'), and their indices; `live` (n, k) are booleans."""
    counts = live.sum(1).tolist()  # the only time that the device is waited for, whatever the number of images
    order = live.byte().argsort(dim=1, descending=True, stable=True)
    indices = [row[:count] for row, count in zip(order, counts, strict=True)]
    return [channels[index] for channels, index in zip(values, indices, strict=True)], indices


def make_masks(activations: Tensor, image: Tensor, first: First = "fit") -> Tensor:
    """Make masks (n, h, w) in [0, 1] of activations (n, h', w') for an image (3, h, w); a constant channel's mask is 0."""
    size = (image.shape[1], image.shape[2])
    return stretch(fit(activations, size)) if first == "fit" else fit(stretch(activations), size)


def find_non_constant(activations: Tensor) -> Tensor:
    """Tell which of the channels (..., k, h', w') are not constant: booleans (..., k). A constant channel makes no mask."""
    return activations.amax((-2, -1)) > activations.amin((-2, -1))


def combine(weights: Tensor, activations: Tensor) -> Tensor:
    """Return the map (h', w') of weights (k,) and activations (k, h', w'): ReLU(sum_k w_k A_k)."""
    return torch.tensordot(weights.to(activations.dtype), activations, 1).relu()
