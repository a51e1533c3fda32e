"""IS-CAM: Score-CAM, its scores averaged while each mask is brought in by steps (Naidu et al., arXiv 2010.03023, 2020)."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import Channels, First, Shown, Weights, combined, masks_of, varied

Count = Annotated[int, Field(ge=1)]

VERSION = 1


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    steps: Count = 10,
    path: Literal["sum", "line"] = "sum",
    fill: Substrate = "mean",
    weights: Weights = "softmax",
    channels: Channels = "plain",
    first: First = "fit",
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the mean over i = 1 ... N of the score of the image masked by c_i M_k, M_k being A_k fitted to the image and
    stretched to [0, 1]. In the paper the steps add up, beyond the image: c_i = 1/N + ... + i/N, as in torchcam's code, which
    the first author reviewed; its formula ends each sum one step earlier, and the authors' code scores the last sum alone.
    path=line ends at the mask itself: c_i = i/N. Softmax scores are taken plain and constant channels skipped, as in the
    authors' code. torchcam is weights=logit,channels=softmax,first=stretch.
    """
    shares = torch.arange(1, steps + 1, device=images.device) / steps
    amounts = shares.cumsum(0) if path == "sum" else shares

    def one(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        shown = Shown(net, image, substrate(image, fill), target, weights)
        masked = varied(activations)
        live = activations[masked]
        if not len(live):
            return torch.zeros_like(activations[0])

        def stepped(start: int, stop: int) -> Tensor:
            places = torch.arange(start, stop, device=image.device)
            return amounts[places % steps, None, None] * masks_of(live[places // steps], image, first)

        scores = shown.by(len(live) * steps, stepped).view(len(live), steps).mean(1)
        if channels == "plain":
            return combined(scores, live)
        # A constant channel has a mask that shows nothing, at every step.
        every = shown.nothing().repeat(len(activations)).masked_scatter(masked, scores)
        return combined(every.softmax(0), activations)

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])
