"""The algorithm that Score-CAM, IS-CAM and SS-CAM share: weight each channel by the scores of the image that it masks."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_fill
from ..bench.scoring.perturbations import Fill
from ._masking import Channels, MaskedImage, Weights, combine, find_non_constant, score_streams, sort_live

Baseline = Literal["none", "image", "fill"]
MaskChannels = Callable[
    [int, MaskedImage, Tensor], Stream
]  # (image's index, image, channels (k, h', w')) -> k * masks images


def explain_by_channel_scores(
    net: Net,
    images: Tensor,
    targets: Tensor,
    mask_channels: MaskChannels,
    *,
    masks: int = 1,
    fill: Fill,
    weights: Weights,
    channels: Channels,
    baseline: Baseline = "none",
    score_constant: bool = False,
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the mean score of the `masks` images that channel k masks. A constant channel makes no mask. Without a softmax over
    channels it is left out; with one it has the score of the blank image, unless `score_constant` has it scored as the others
    are. A map without any non-constant channel is 0.
    """
    activations = net.compute_activations(images)  # (n, k, h', w')
    live = find_non_constant(activations)
    has_live = live.any(1)
    if score_constant and channels == "softmax":
        live = torch.ones_like(live)
    live_channels, indices = sort_live(activations, live)
    masked = [MaskedImage(image, make_fill(image, fill)) for image in images]
    streams = [mask_channels(number, *pair) for number, pair in enumerate(zip(masked, live_channels, strict=True))]
    if channels == "softmax":
        others = [] if score_constant else [image.show_blank() for image in masked]  # the constant channels' scores
    else:
        others = [image.show_image() if baseline == "image" else image.show_blank() for image in masked]
        others = [] if baseline == "none" else others
    scores = score_streams(net, [*streams, *others], torch.cat([targets, targets[: len(others)]]), weights)
    means = [channel_scores.view(-1, masks).mean(1) for channel_scores in scores[: len(streams)]]
    other_scores = scores[len(streams) :] or [torch.zeros_like(means[0].sum(0, keepdim=True))] * len(streams)
    maps = []
    for number, (mean, other) in enumerate(zip(means, other_scores, strict=True)):
        if channels == "plain":
            maps.append(combine(mean - other, live_channels[number]))
        else:
            all_scores = other.repeat(activations.shape[1]).scatter(0, indices[number], mean)
            maps.append(combine(all_scores.softmax(0), activations[number]) * has_live[number])
    return torch.stack(maps)
