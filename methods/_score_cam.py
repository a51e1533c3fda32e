"""The algorithm that Score-CAM, IS-CAM and SS-CAM share: weight each channel by the scores of the image that it masks."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.blend import make_substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import Channels, MaskedImage, Weights, combine, find_non_constant

Baseline = Literal["none", "image", "fill"]
ScoreChannels = Callable[[MaskedImage, Tensor], Tensor]  # (image, activations (k, h', w')) -> the channels' scores (k,)


def explain_by_channel_scores(
    net: Net,
    images: Tensor,
    targets: Tensor,
    score_channels: ScoreChannels,
    *,
    fill: Substrate,
    weights: Weights,
    channels: Channels,
    baseline: Baseline = "none",
    score_constant: bool = False,
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    A constant channel makes no mask. Without a softmax over channels it is left out; with one it has the score of the blank
    image, unless `score_constant` has it scored as the others are. A map without any non-constant channel is 0.
    """

    def explain_image(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        live = find_non_constant(activations)
        if not live.any():
            return torch.zeros_like(activations[0])
        masked = MaskedImage(net, image, make_substrate(image, fill), target, weights)
        if channels == "plain":
            scores = score_channels(masked, activations[live])
            return combine(_subtract_baseline(scores, masked, baseline), activations[live])
        if score_constant:
            scores = score_channels(masked, activations)
        else:
            blank_scores = masked.score_blank().repeat(len(activations))
            scores = blank_scores.masked_scatter(live, score_channels(masked, activations[live]))
        return combine(_subtract_baseline(scores, masked, baseline).softmax(0), activations)

    return torch.stack([explain_image(*pair) for pair in zip(images, targets, strict=True)])


def _subtract_baseline(scores: Tensor, masked: MaskedImage, baseline: Baseline) -> Tensor:
    """Subtract the score of the image, or of the blank image, from scores (count,)."""
    if baseline == "none":
        return scores
    return scores - (masked.score_image() if baseline == "image" else masked.score_blank())
