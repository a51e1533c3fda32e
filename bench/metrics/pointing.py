"""Pointing game: does the map's peak lie in the convex hull of the target's object? (Zhang et al., IJCV 2018)"""

from typing import Annotated, Literal

import torch
from pydantic import Field
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from ..data.types import Mask
from ..forward.device import widen
from ..scoring.case import Asking, Case, MapValue
from ._regions import find_region

VERSION = 1
BETTER = "higher"
UNIT = "yes or no"
RANGE = (0.0, 1.0)
SHORT = "point"
FAMILY = "objects"
CAVEAT = "Only the highest point counts, so it needs many images; a control also hits a large object in the middle."
NEEDS = ("object",)


def score(
    case: Case, *, on: Literal["hull", "mask", "box"] = "hull", tolerance: Annotated[int, Field(ge=0)] = 0
) -> Asking[float]:
    """Return the share of the map's peak pixels that lie on the object, in [0, 1]; higher is better.

    With a single peak this is 1 or 0; in a constant map every pixel is a peak. By default the object is its convex hull,
    because rings have holes. A peak less than `tolerance` pixels away also counts (TorchRay: 15, on the mask). With on=box
    each object has its own box. Raise NotApplicable if no object of the target class is marked.
    """
    (value,) = yield [MapValue(compute_share_of_peaks, _find_hits(case, on, max(tolerance, 1)))]
    return value


def compute_share_of_peaks(maps: Tensor, masks: Tensor) -> Tensor:
    """Return the share (n,) of the peak pixels of maps (n, h, w) that lie inside masks (n, h, w)."""
    # a comparison that writes the maps' type is much faster on a CPU
    peaks = torch.eq(maps, maps.amax((1, 2), keepdim=True), out=torch.empty_like(maps))
    return widen(peaks * masks).sum((1, 2)) / widen(peaks).sum((1, 2))


def _find_hits(case: Case, on: Literal["hull", "mask", "box"], distance: int) -> Mask:
    """Return the pixels (h, w) that are less than a distance away from the object."""
    region = find_region(case, on)
    # 0 inside the region, 1 next to it
    return case.once(("hits", on, distance), lambda: distance_transform_edt(~region) < distance)
