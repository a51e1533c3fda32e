"""RISE: the mean of random masks, weighted by the class score of the image that each masks (Petsiuk et al., BMVC 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..bench.core.constraints import Count, OpenShare
from ..bench.forward.device import move_to_device
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_fill
from ..bench.scoring.perturbations import Fill
from ..bench.scoring.postprocess import fit
from ._masking import MaskedImage, score_streams
from ._seeds import make_generators

VERSION = 2
EXPENSIVE = True
BATCH = 100  # masks summed at a time


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int] | None = None,
    *,
    count: Count = 2000,
    cells: Count = 7,
    keep: OpenShare = 0.5,
    seed: int = 0,
    fill: Fill = "mean",
) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): sum_i s_i M_i / (count keep).

    s_i is the class score of the image masked by M_i. A mask is a grid of cells x cells, each cell kept with probability
    `keep`, fitted to one cell more than the image and shifted at random by less than a cell. The paper uses 4000 masks for
    VGG16 and 8000 for ResNet50, the same for all images; here each image has its own, drawn from the seed and the image. By
    default `fill` is the mean colour, because the authors mask the normalised image.
    """

    height, width = images.shape[2:]
    shape = (count, cells, height, width)
    masks = [_RandomMasks(generator, shape, keep, images) for generator in make_generators(images, seeds, seed)]
    streams = [
        MaskedImage(image, make_fill(image, fill)).show_masks(count, image_masks.make)
        for image, image_masks in zip(images, masks, strict=True)
    ]
    scores = score_streams(net, streams, targets)
    totals = [image_masks.sum(image_scores) for image_masks, image_scores in zip(masks, scores, strict=True)]
    return (torch.stack(totals) / (count * keep)).to(images.dtype)


class _RandomMasks:
    """The masks of an image. One is Y G X^T: a grid G of random cells, enlarged bilinearly and shifted by Y and X."""

    def __init__(
        self, generator: torch.Generator, shape: tuple[int, int, int, int], keep: float, images: Tensor
    ) -> None:
        self._count, cells, *sides = shape
        grids = (torch.rand(self._count, cells, cells, generator=generator) < keep).float()
        cell_sides = [-(-side // cells) for side in sides]  # in pixels
        shifts = [torch.randint(side, (self._count,), generator=generator) for side in cell_sides]
        self._grids = move_to_device(grids, images.device)
        self._y, self._x = (
            move_to_device(_make_enlargement(cells, cell, side, shift), images.device)
            for cell, side, shift in zip(cell_sides, sides, shifts, strict=True)
        )

    def make(self, start: int, stop: int) -> Tensor:
        """Return some of the masks (stop - start, h, w)."""
        return self._y[start:stop] @ self._grids[start:stop] @ self._x[start:stop].transpose(1, 2)

    def sum(self, scores: Tensor) -> Tensor:
        """Return the sum (h, w) of all masks, each weighted by its score (count,), in the scores' type."""
        total = torch.zeros(self._y.shape[1], self._x.shape[1], dtype=scores.dtype, device=scores.device)
        for start in range(0, self._count, BATCH):
            stop = min(start + BATCH, self._count)
            total += torch.tensordot(scores[start:stop], self.make(start, stop).to(scores.dtype), 1)
        return total


def _make_enlargement(cells: int, cell: int, side: int, shifts: Tensor) -> Tensor:
    """Return the matrices (count, side, cells) that enlarge a row of cells bilinearly, and shift it, each by its own shift."""
    enlarged = fit(torch.eye(cells)[:, None], (1, (cells + 1) * cell))[:, 0].T  # ((cells + 1) * cell, cells)
    return enlarged[shifts[:, None] + torch.arange(side)]
