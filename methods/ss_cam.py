"""SS-CAM: Score-CAM with scores averaged over masks with Gaussian noise (Wang, Naidu et al., arXiv 2006.14255, 2020)."""

from collections.abc import Sequence
from zlib import crc32

import torch
from torch import Tensor

from ..bench.core.constraints import Count, NonNegative
from ..bench.forward.device import move_to_device
from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ..bench.scoring.perturbations import Fill
from ._masking import Channels, First, MaskedImage, Weights, make_masks
from ._score_cam import explain_by_channel_scores
from ._seeds import make_seeds

VERSION = 2
EXPENSIVE = True


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int] | None = None,
    *,
    samples: Count = 35,
    sigma: NonNegative = 2.0,
    seed: int = 0,
    fill: Fill = "mean",
    weights: Weights = "softmax",
    channels: Channels = "plain",
    first: First = "fit",
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the mean over `samples` draws of the score of the image masked by M_k + noise. The noise is N(0, sigma^2) at each
    pixel, and M_k is A_k fitted to the image and stretched to [0, 1]: SS-CAM(1) of the paper. Such masks, and the pixels that
    they mask, leave [0, 1]. Scores are class scores and constant channels are skipped, as in the authors' code; that code
    does not stretch A_k, and its noise has the deviation (2 / (max A_k - min A_k))^2. The noise depends on the seed and the
    image alone. torchcam is weights=logit,channels=softmax,first=stretch.
    """

    image_seeds = make_seeds(images, seeds, seed)

    def mask_channels(number: int, masked: MaskedImage, activations: Tensor) -> Stream:
        def masks(start: int, stop: int) -> Tensor:
            channel = torch.arange(start, stop, device=activations.device) // samples
            clean = make_masks(activations[channel], masked.image, first)
            noises = [_draw_noise(clean.shape[1:], image_seeds[number], index) for index in range(start, stop)]
            return clean + sigma * move_to_device(torch.stack(noises), clean.device)

        return masked.show_masks(len(activations) * samples, masks)

    # Noise makes a mask even of a constant channel.
    return explain_by_channel_scores(
        net,
        images,
        targets,
        mask_channels,
        masks=samples,
        fill=fill,
        weights=weights,
        channels=channels,
        score_constant=True,
    )


def _draw_noise(size: tuple[int, ...], seed: int, index: int) -> Tensor:
    """Return the noise (h, w) of the mask with this index: the same however many masks are scored at a time."""
    generator = torch.Generator().manual_seed(crc32(index.to_bytes(4, "little"), seed))
    return torch.randn(size, generator=generator)
