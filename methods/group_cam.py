"""Group-CAM: groups of Grad-CAM's weighted channels, each weighted by the score that it uncovers (Zhang et al., 2021)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from ..bench.nets.net import Net
from ._gradients import gradients
from ._masking import Shown, combined, masks_of, varied

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Sigma = Annotated[float, Field(gt=0)]

VERSION = 1


def explain(
    net: Net, images: Tensor, targets: Tensor, *, groups: Count = 32, denoise: Share = 0.7, sigma: Sigma = 50.0
) -> Tensor:
    """Maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): ReLU(sum_l (s_l - s) M_l).

    Channels, weighted by the mean gradients of the target's logit, are added up in groups of neighbours, of which only values
    above the `denoise` quantile are kept; fitted to the image and stretched, that is M_l. s_l is the softmax score of the
    image that M_l lays over its blurred self, by a Gaussian of 51 x 51 pixels; s is that of the blurred image. So the paper,
    and the authors' first code; their later code leaves out the denoising (denoise=0), cuts negative s_l - s and adds masks
    up unstretched.
    """

    def one(image: Tensor, target: Tensor) -> Tensor:
        activations, slopes = (behind[0] for behind in gradients(net, image[None], target[None], "logit"))
        weighted = slopes.mean((1, 2), keepdim=True) * activations  # (k, h', w')
        sums = torch.stack([part.sum(0) for part in weighted.chunk(groups)]).relu()
        least = sums.flatten(1).quantile(denoise, dim=1)[:, None, None]
        kept = torch.where(sums > least, sums, 0)
        # The first mask shows nothing: that is the blurred image.
        masks = torch.cat([torch.zeros_like(image[:1]), masks_of(kept[varied(kept)], image)])  # (1 + l, h, w)
        scores = Shown(net, image, _blurred(image, sigma), target).by(len(masks), lambda *part: masks[slice(*part)])
        return combined(scores - scores[0], masks)

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """The image (3, h, w) blurred, mirrored at its borders; a small image has no room for the whole kernel."""
    height, width = (min(51, 2 * side - 1) for side in image.shape[1:])
    blurred: Tensor = gaussian_blur(image, [width, height], [sigma, sigma])
    return blurred
