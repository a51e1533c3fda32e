"""IS-CAM: Score-CAM with scores averaged while each mask is faded in by steps (Naidu et al., arXiv 2010.03023, 2020)."""

from typing import Literal

import torch
from torch import Tensor

from ..bench.core.constraints import Count
from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.perturbations import Fill
from ._masking import Channels, First, MaskedImage, Weights, make_masks
from ._score_cam import explain_by_channel_scores

VERSION = 1
EXPENSIVE = True


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    steps: Count = 10,
    path: Literal["sum", "line"] = "sum",
    fill: Fill = "mean",
    weights: Weights = "softmax",
    channels: Channels = "plain",
    first: First = "fit",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the mean over i = 1 ... N of the score of the image masked by c_i M_k, where M_k is A_k fitted to the image and
    stretched to [0, 1]. By default (path=sum) the steps add up, c_i = 1/N + ... + i/N, and masks exceed 1; so does torchcam,
    whose code the first author reviewed. The paper's formula ends each sum one step earlier, and the authors' code scores the
    last sum alone. With path=line the last mask is M_k itself: c_i = i/N. Scores are class scores and constant channels are
    skipped, as in the authors' code. torchcam is weights=logit,channels=softmax,first=stretch.
    """
    shares = torch.arange(1, steps + 1, device=images.device) / steps
    amounts = shares.cumsum(0) if path == "sum" else shares

    def mask_channels(_: int, masked: MaskedImage, activations: Tensor) -> Stream:
        def masks(start: int, stop: int) -> Tensor:
            indices = torch.arange(start, stop, device=images.device)
            return amounts[indices % steps, None, None] * make_masks(activations[indices // steps], masked.image, first)

        return masked.show_masks(len(activations) * steps, masks)

    return explain_by_channel_scores(
        net, images, targets, mask_channels, masks=steps, fill=fill, weights=weights, channels=channels
    )
