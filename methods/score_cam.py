"""Score-CAM: activations weighted by the class score of the image that each of them masks (Wang et al., CVPRW 2020)."""

from typing import Literal

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import Channels, First, Shown, Weights, combined, masks_of, varied

VERSION = 1


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    fill: Substrate = "mean",
    weights: Weights = "softmax",
    channels: Channels = "plain",
    baseline: Literal["none", "image", "fill"] = "none",
    first: First = "fit",
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the softmax score of the image masked by A_k, fitted to the image and stretched to [0, 1]: the authors' code.
    `fill` is what masked pixels become; the authors mask the normalised image, so the mean colour. Constant channels have no
    mask: they are skipped, as in the authors' code.

    The paper subtracts the score of a baseline, the image all filled (baseline=fill), other code that of the image itself
    (baseline=image). The paper's algorithm ends in a softmax over channels (channels=softmax), which no baseline changes;
    there a constant channel has the score of a mask that shows nothing. pytorch-grad-cam is weights=logit,channels=softmax,
    but for its upsampling; torchcam is that with first=stretch: activations are stretched before they are fitted.
    """

    def one(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        shown = Shown(net, image, substrate(image, fill), target, weights)
        masked = varied(activations)
        live = activations[masked]
        if not len(live):
            return torch.zeros_like(activations[0])
        scores = shown.by(len(live), lambda start, stop: masks_of(live[start:stop], image, first))
        if channels == "softmax":
            scores = shown.nothing().repeat(len(activations)).masked_scatter(masked, scores)
        if baseline != "none":
            scores = scores - (shown.whole() if baseline == "image" else shown.nothing())
        return combined(scores.softmax(0), activations) if channels == "softmax" else combined(scores, live)

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])
