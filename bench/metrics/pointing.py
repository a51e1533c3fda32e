"""Pointing game: is the map's peak inside the convex hull of the object that was asked for? (Zhang et al., IJCV 2018)"""

from typing import Annotated, Literal

from pydantic import Field
from scipy.ndimage import distance_transform_edt

from ..scoring.case import Case
from ._regions import region

VERSION = 1
BETTER = "higher"
UNIT = "yes or no"
RANGE = (0.0, 1.0)
SHORT = "point"
FAMILY = "objects"
CAVEAT = "Only the highest point counts, so it needs many images; a large object in the middle is hit by a control too."
NEEDS = ("object",)


def score(
    case: Case, *, on: Literal["hull", "mask", "box"] = "hull", tolerance: Annotated[int, Field(ge=0)] = 0
) -> float:
    """The share of peak pixels inside (one peak: 1 or 0; a constant map is peak everywhere). The hull: rings have holes.

    A peak less than `tolerance` pixels away is inside too (TorchRay: 15, on the mask). A box is an object's, not that of all.
    Raises NotApplicable where the image holds no object of the target class.
    """
    away = distance_transform_edt(~region(case, on))  # 0 inside, 1 beside it
    return float((away[case.map == case.map.max()] < max(tolerance, 1)).mean())
