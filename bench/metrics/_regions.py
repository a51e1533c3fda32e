"""Where the objects of the target class are: their pixels, their boxes, or their convex hull; and maps inside of them."""

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from torch import Tensor

from ..data.types import Mask
from ..forward.device import widen
from ..scoring.case import Case

ROUNDING = 1e-9  # in pixels, of the distance of a pixel's centre from a side of a hull


def find_region(case: Case, on: Literal["hull", "mask", "box"]) -> Mask:
    """Return the pixels (h, w) of the target's objects. Raise NotApplicable if no object of the target class is marked."""
    return case.once(("region", on), lambda: _make_region(case, on))


def compute_share_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Return the share (n,) of the sum of maps (n, h, w) inside masks; of a map of zeros, the share of the mask's area."""
    totals, inside = (widen(values).sum((1, 2)) for values in (maps, maps * masks))
    area = widen(masks.sum((1, 2))) / masks[0].numel()
    return torch.where(totals > 0, inside / totals, area)


def _make_region(case: Case, on: Literal["hull", "mask", "box"]) -> Mask:
    mask = case.target_mask
    if on == "box":
        masks = (marked.mask for marked in case.objects if marked.label == case.target and marked.mask.any())
        return np.logical_or.reduce([_fill_box(mask) for mask in masks])
    return _fill_hull(mask) if on == "hull" else mask


def _fill_box(mask: Mask) -> Mask:
    """Return the smallest upright rectangle around an object, filled."""
    box = np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def _fill_hull(mask: Mask) -> Mask:
    """Return the pixels whose centres lie in the convex hull of a mask, or on its border."""
    height, width = mask.shape
    y, x = np.arange(height)[:, None] + 0.5, np.arange(width) + 0.5
    inside = np.ones_like(mask)
    for normal_y, normal_x, offset in ConvexHull(_find_corners(mask)).equations:  # of the sides, with outward normals
        inside &= normal_y * y + normal_x * x + offset <= ROUNDING
    return inside


def _find_corners(mask: Mask) -> NDArray[np.int64]:
    """Return the corners of each row's first and last pixel. They contain the hull's corners and never lie on one line."""
    rows = np.flatnonzero(mask.any(1))
    left, right = mask[rows].argmax(1), mask.shape[1] - mask[rows, ::-1].argmax(1)
    return np.concatenate([np.stack([y, x], 1) for y in (rows, rows + 1) for x in (left, right)])
