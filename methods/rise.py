"""RISE: the mean of random masks, weighted by the class score of the image that each masks (Petsiuk et al., BMVC 2018)."""

import torch
from torch import Tensor

from ..bench.core.constraints import Count, Fraction
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_substrate
from ..bench.scoring.perturbations import Substrate
from ..bench.scoring.postprocess import fit
from ._masking import MaskedImage
from ._seeds import make_image_generator

VERSION = 1
BATCH = 100  # masks summed at a time


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    count: Count = 2000,
    cells: Count = 7,
    keep: Fraction = 0.5,
    seed: int = 0,
    fill: Substrate = "mean",
) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): sum_i s_i M_i / (count keep).

    s_i is the softmax score of the image masked by M_i. A mask is a grid of cells x cells, each cell kept with probability
    `keep`, fitted to one cell more than the image and shifted at random by less than a cell. The paper uses 4000 masks for
    VGG16 and 8000 for ResNet50, the same for all images; here each image has its own, drawn from the seed and the image. By
    default `fill` is the mean colour, because the authors mask the normalised image.
    """

    def explain_image(image: Tensor, target: Tensor) -> Tensor:
        cell = [-(-side // cells) for side in image.shape[1:]]  # height and width in pixels
        generator = make_image_generator(image, seed)
        grids = (torch.rand(count, cells, cells, generator=generator) < keep).to(image)
        shifts = torch.stack([torch.randint(side, (count,), generator=generator) for side in cell], 1).tolist()

        def masks(start: int, stop: int) -> Tensor:
            enlarged = fit(grids[start:stop], ((cells + 1) * cell[0], (cells + 1) * cell[1]))
            height, width = image.shape[1:]
            pairs = zip(enlarged, shifts[start:stop], strict=True)
            return torch.stack([mask[y : y + height, x : x + width] for mask, (y, x) in pairs])

        scores = MaskedImage(net, image, make_substrate(image, fill), target).score_masks(count, masks)
        total = torch.zeros_like(image[0], dtype=scores.dtype)
        for start in range(0, count, BATCH):
            stop = min(start + BATCH, count)
            total += torch.tensordot(scores[start:stop], masks(start, stop).to(scores.dtype), 1)
        return (total / (count * keep)).to(image.dtype)

    return torch.stack([explain_image(*pair) for pair in zip(images, targets, strict=True)])
