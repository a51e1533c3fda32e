"""Group-CAM: groups of Grad-CAM's weighted channels as masks, weighted by the score that each reveals (Zhang et al., 2021)."""

import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ..bench.core.constraints import Count, Positive, ShareBelowOne
from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ._gradients import compute_gradients
from ._masking import MaskedImage, combine, find_non_constant, make_masks, score_streams, sort_live

VERSION = 1
EXPENSIVE = True


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    groups: Count = 32,
    denoise: ShareBelowOne = 0.7,
    sigma: Positive = 50.0,
) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): ReLU(sum_l (s_l - s) M_l).

    Channels are weighted by the mean gradients of the target's logit and summed in groups of neighbours. Of each group only the
    values above the `denoise` quantile are kept; fitted to the image and stretched, they are the mask M_l. s_l is the softmax
    score of the image where M_l is 1 and of its blurred copy (a Gaussian of 51 x 51 pixels) where M_l is 0; s is the score of
    the blurred copy. This follows the paper and the authors' first code. Their later code does not denoise (denoise=0), sets
    negative s_l - s to 0 and sums masks without stretching.
    """

    activations, gradients = compute_gradients(net, images, targets, "logit")  # (n, k, h', w')
    weighted = gradients.mean((2, 3), keepdim=True) * activations
    sums = torch.stack([group.sum(1) for group in weighted.chunk(groups, 1)], 1).relu()  # (n, groups, h', w')
    thresholds = sums.flatten(2).quantile(denoise, dim=2)[:, :, None, None]
    denoised = torch.where(sums > thresholds, sums, 0)
    live, _ = sort_live(denoised, find_non_constant(denoised))
    # The first mask is 0: its score is that of the blurred image.
    masks = [
        torch.cat([torch.zeros_like(image[:1]), make_masks(channels, image)])
        for image, channels in zip(images, live, strict=True)
    ]  # (1 + l, h, w) of each image
    streams = [_mask(image, _blur(image, sigma), image_masks) for image, image_masks in zip(images, masks, strict=True)]
    scores = score_streams(net, streams, targets)
    return torch.stack([combine(each - each[0], image_masks) for each, image_masks in zip(scores, masks, strict=True)])


def _mask(image: Tensor, blank: Tensor, masks: Tensor) -> Stream:
    return MaskedImage(image, blank).show_masks(len(masks), lambda start, stop: masks[start:stop])


def _blur(image: Tensor, sigma: float) -> Tensor:
    """Return the image (3, h, w) blurred and mirrored at its borders, with a smaller kernel if 51 pixels do not fit."""
    height, width = (min(51, 2 * side - 1) for side in image.shape[1:])
    blurred: Tensor = gaussian_blur(image, [width, height], [sigma, sigma])
    return blurred
