"""Score-CAM: activations weighted by the class score of the image that each channel masks (Wang et al., CVPRW 2020)."""

import torch
from torch import Tensor

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.perturbations import Fill
from ._masking import Channels, First, MaskedImage, Weights, make_masks
from ._score_cam import Baseline, explain_by_channel_scores

VERSION = 1
EXPENSIVE = True


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    fill: Fill = "mean",
    weights: Weights = "softmax",
    channels: Channels = "plain",
    baseline: Baseline = "none",
    first: First = "fit",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the class score of the image masked by A_k, fitted to the image and stretched to [0, 1], as in the authors' code.
    `fill` replaces masked pixels: by default the mean colour, because the authors mask the normalised image. Constant
    channels make no mask and are skipped, as in the authors' code.

    The paper subtracts the score of a baseline, the filled image (baseline=fill); other code subtracts the score of the image
    itself (baseline=image). The paper's algorithm ends in a softmax over channels (channels=softmax), on which a baseline has
    no effect; a constant channel then has the score of the filled image. pytorch-grad-cam is weights=logit,channels=softmax,
    except for its upsampling. torchcam is the same with first=stretch: it stretches activations before it fits them.
    """

    def mask_channels(_: int, masked: MaskedImage, activations: Tensor) -> Stream:
        def masks(start: int, stop: int) -> Tensor:
            return make_masks(activations[start:stop], masked.image, first)

        return masked.show_masks(len(activations), masks)

    return explain_by_channel_scores(
        net, images, targets, mask_channels, fill=fill, weights=weights, channels=channels, baseline=baseline
    )
