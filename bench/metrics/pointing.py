"""Pointing game: does the map's peak lie in the convex hull of the target's object? (Zhang et al., IJCV 2018)"""

from typing import Annotated, Literal

from pydantic import Field
from scipy.ndimage import distance_transform_edt

from ..scoring.case import Case
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
) -> float:
    """Return the share of the map's peak pixels that lie on the object, in [0, 1]; higher is better.

    With a single peak this is 1 or 0; in a constant map every pixel is a peak. By default the object is its convex hull,
    because rings have holes. A peak less than `tolerance` pixels away also counts (TorchRay: 15, on the mask). With on=box
    each object has its own box. Raise NotApplicable if no object of the target class is marked.
    """
    # 0 inside the region, 1 next to it
    distances = case.once(("distances", on), lambda: distance_transform_edt(~find_region(case, on)))
    return float((distances[case.map == case.map.max()] < max(tolerance, 1)).mean())
