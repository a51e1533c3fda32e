"""SS-CAM: Score-CAM, its scores averaged over masks with Gaussian noise (Wang, Naidu et al., arXiv 2006.14255, 2020)."""

from typing import Annotated
from zlib import crc32

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import Channels, First, Shown, Weights, combined, masks_of, varied

Count = Annotated[int, Field(ge=1)]
Sigma = Annotated[float, Field(ge=0)]

VERSION = 1


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    samples: Count = 35,
    sigma: Sigma = 2.0,
    seed: int = 0,
    fill: Substrate = "mean",
    weights: Weights = "softmax",
    channels: Channels = "plain",
    first: First = "fit",
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the mean score of the image masked by M_k + noise, N(0, sigma^2) at each pixel, M_k being A_k fitted to the image
    and stretched to [0, 1]: SS-CAM(1) of the paper. Such masks leave [0, 1], and pixels with them. Softmax scores are taken
    plain and constant channels skipped, as in the authors' code, which does not stretch A_k and adds noise of deviation
    (2 / (max A_k - min A_k))^2. torchcam is weights=logit,channels=softmax,first=stretch.
    """

    def one(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        shown = Shown(net, image, substrate(image, fill), target, weights)
        # Under a softmax over channels none is left out: a constant one is scored by its noise.
        live = activations if channels == "softmax" else activations[varied(activations)]
        if not varied(activations).any():
            return torch.zeros_like(activations[0])
        of_image = crc32(image.cpu().numpy().tobytes(), seed)

        def noisy(start: int, stop: int) -> Tensor:
            masks = masks_of(live[torch.arange(start, stop) // samples], image, first)
            return masks + sigma * torch.stack([_noise(masks[0], of_image, place) for place in range(start, stop)])

        scores = shown.by(len(live) * samples, noisy).view(len(live), samples).mean(1)
        return combined(scores.softmax(0) if channels == "softmax" else scores, live)

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])


def _noise(mask: Tensor, seed: int, place: int) -> Tensor:
    """The noise of the mask at a place, the same however many masks are scored at a time."""
    generator = torch.Generator().manual_seed(crc32(place.to_bytes(4, "little"), seed))
    return torch.randn(mask.shape, generator=generator).to(mask)
