"""Energy pointing game: the share of the map that lies on the object that was asked for (Score-CAM, CVPRW 2020)."""

from typing import Literal

from ..scoring.case import Case, share_on
from ._regions import region

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "energy"
FAMILY = "objects"
CAVEAT = (
    "It rewards maps on the labelled object, also where the net decides by something else; large objects make it easy."
)
NEEDS = ("object",)


def score(case: Case, *, on: Literal["mask", "box"] = "mask") -> float:
    """Sum of the map in [0, 1] inside the object's mask, or its box (the paper's), over its sum; a constant map: the area.

    Raises NotApplicable without an object of the target.
    """
    return share_on(region(case, on), case.map)
