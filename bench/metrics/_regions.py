"""Where the objects of the class asked for are: their pixels, their boxes, their convex hull."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from ..data.types import Mask
from ..scoring.case import Case


def region(case: Case, on: Literal["hull", "mask", "box"]) -> Mask:
    """The pixels whose centres lie in it. Raises NotApplicable where the image holds no object of the target class."""
    asked = case.asked
    if on == "box":
        own = (thing.mask for thing in case.objects if thing.label == case.target and thing.mask.any())
        return np.logical_or.reduce([_box(mask) for mask in own])
    return _hull(asked) if on == "hull" else asked


def _box(mask: Mask) -> Mask:
    """The least upright rectangle around an object."""
    box = np.zeros_like(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def _hull(mask: Mask) -> Mask:
    centres = np.indices(mask.shape).reshape(2, -1).T + 0.5
    inside: Mask = Delaunay(_outline(mask)).find_simplex(centres) >= 0
    return inside.reshape(mask.shape)


def _outline(mask: Mask) -> NDArray[np.int64]:
    """The corners of each row's first and last pixel: all that a convex hull can touch, and never on one line."""
    rows = np.flatnonzero(mask.any(1))
    left, right = mask[rows].argmax(1), mask.shape[1] - mask[rows, ::-1].argmax(1)
    return np.concatenate([np.stack([y, x], 1) for y in (rows, rows + 1) for x in (left, right)])
