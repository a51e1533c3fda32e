"""RISE: random masks, averaged by the class score of the image that each of them masks (Petsiuk et al., BMVC 2018)."""

from typing import Annotated
from zlib import crc32

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
from ..bench.scoring.perturbations import Substrate
from ..bench.scoring.postprocess import fit
from ._masking import Shown

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]

VERSION = 1
AT_A_TIME = 100  # masks


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    count: Count = 2000,
    cells: Count = 7,
    keep: Share = 0.5,
    seed: int = 0,
    fill: Substrate = "mean",
) -> Tensor:
    """Maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): sum_i s_i M_i / (count keep).

    s_i is the softmax score of the image masked by M_i: cells x cells squares, each kept with probability `keep`, fitted to
    one cell more than the image and shifted at random by less than a cell. The paper takes 4000 masks for VGG16 and 8000 for
    ResNet50, the same for all images; here each image has its own. Masked pixels become the mean colour, as the authors mask
    the normalised image.
    """

    def one(image: Tensor, target: Tensor) -> Tensor:
        size = [-(-side // cells) for side in image.shape[1:]]  # of a cell, in pixels
        generator = torch.Generator().manual_seed(crc32(image.cpu().numpy().tobytes(), seed))
        grids = (torch.rand(count, cells, cells, generator=generator) < keep).to(image)
        shifts = torch.stack([torch.randint(side, (count,), generator=generator) for side in size], 1).tolist()

        def masks(start: int, stop: int) -> Tensor:
            large = fit(grids[start:stop], ((cells + 1) * size[0], (cells + 1) * size[1]))
            height, width = image.shape[1:]
            placed = zip(large, shifts[start:stop], strict=True)
            return torch.stack([mask[y : y + height, x : x + width] for mask, (y, x) in placed])

        scores = Shown(net, image, substrate(image, fill), target).by(count, masks)
        total = torch.zeros_like(image[0], dtype=scores.dtype)
        for start in range(0, count, AT_A_TIME):
            stop = min(start + AT_A_TIME, count)
            total += torch.tensordot(scores[start:stop], masks(start, stop).to(scores.dtype), 1)
        return (total / (count * keep)).to(image.dtype)

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])
