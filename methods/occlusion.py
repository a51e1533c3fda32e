"""Occlusion: the drop of the class score when a patch covers each part of the image (Zeiler and Fergus, ECCV 2014)."""

import torch
from torch import Tensor

from ..bench.core.constraints import Count
from ..bench.core.errors import UsageError
from ..bench.forward.device import move_to_device
from ..bench.nets.net import Net
from ..bench.scoring.blend import make_fill
from ..bench.scoring.perturbations import Fill
from ._masking import MaskedImage, score_streams

VERSION = 1
EXPENSIVE = True


@torch.inference_mode()
def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    *,
    patch: Count = 32,
    stride: Count = 16,
    fill: Fill = "mean",
) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w) for their target classes (n,): the mean drop of the patches over each pixel.

    A patch's drop is the class score of the image minus its score with the patch filled; the paper's patch is grey. Square
    patches of `patch` pixels lie `stride` pixels apart; the last ones end at the image's border. Raise UsageError if patches
    leave gaps.
    """
    if stride > patch:
        raise UsageError(
            f"occlusion leaves gaps between its patches: set a stride of at most {patch} pixels, the size of a patch"
        )
    height, width = images.shape[2:]
    coverages = [_find_coverage(side, patch, stride).to(images.dtype) for side in (height, width)]  # (patches, pixels)
    rows, columns = (move_to_device(coverage, images.device) for coverage in coverages)
    rows_or_none = torch.cat([rows, torch.zeros_like(rows[:1])])

    def masks(start: int, stop: int) -> Tensor:
        indices = torch.arange(start, stop, device=images.device)
        return 1 - rows_or_none[indices // len(columns), :, None] * columns[indices % len(columns), None, :]

    count = len(rows) * len(columns)
    streams = [MaskedImage(image, make_fill(image, fill)).show_masks(count + 1, masks) for image in images]
    scores = torch.stack(score_streams(net, streams, targets))  # (n, count + 1): with each patch, then without any
    drops = (scores[:, -1:] - scores[:, :-1]).view(-1, len(rows), len(columns))
    return rows.T @ drops.to(rows.dtype) @ columns / torch.outer(rows.sum(0), columns.sum(0))


def _find_coverage(side: int, patch: int, stride: int) -> Tensor:
    """Tell which pixels of a side each patch covers: booleans (patches, side). A patch larger than the side covers it all."""
    last = side - patch
    starts = torch.tensor([*range(0, last, stride), last])[:, None]
    pixels = torch.arange(side)
    return (pixels >= starts) & (pixels < starts + patch)
