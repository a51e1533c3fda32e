"""Occlusion: how far a patch over each place of the image lowers the class score (Zeiler & Fergus, ECCV 2014)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..bench.core.errors import UsageError
from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import Shown

Pixels = Annotated[int, Field(ge=1)]

VERSION = 1


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    patch: Pixels = 32,
    stride: Pixels = 16,
    fill: Substrate = "mean",
) -> Tensor:
    """Maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): the mean drop of the patches over each pixel.

    A patch's drop is the softmax score of the image less that with the patch filled; the paper's patch is grey. Patches of
    `patch` pixels lie `stride` apart, the last at the border whatever the stride. Raises UsageError where they leave gaps.
    """
    if stride > patch:
        raise UsageError(
            f"occlusion leaves gaps between its patches: take a stride of {patch} pixels at most, the patch's"
        )
    height, width = images.shape[2:]
    rows, columns = (_covered(side, patch, stride).to(images) for side in (height, width))  # (places, pixels)
    or_none = torch.cat([rows, torch.zeros_like(rows[:1])])

    def masks(start: int, stop: int) -> Tensor:
        place = torch.arange(start, stop, device=images.device)
        return 1 - or_none[place // len(columns), :, None] * columns[place % len(columns), None, :]

    def one(image: Tensor, target: Tensor) -> Tensor:
        shown = Shown(net, image, substrate(image, fill), target)
        scores = shown.by(len(rows) * len(columns) + 1, masks)  # with each patch, and last without any
        drops = scores[-1] - scores[:-1]
        total = rows.T @ drops.view(len(rows), len(columns)).to(rows.dtype) @ columns
        return total / torch.outer(rows.sum(0), columns.sum(0))

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])


def _covered(side: int, patch: int, stride: int) -> Tensor:
    """Which of a side's pixels each place of the patch covers, 1 or 0; a patch larger than the side is cut to it."""
    last = side - patch
    starts = torch.tensor([*range(0, last, stride), last])[:, None]
    pixels = torch.arange(side)
    return (pixels >= starts) & (pixels < starts + patch)
