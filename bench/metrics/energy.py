"""Energy pointing game: the share of the map that lies on the target's object (Score-CAM, CVPRW 2020)."""

from typing import Literal

from ..scoring.case import Asking, Case, MapValue
from ._regions import compute_share_inside, find_region

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "energy"
FAMILY = "objects"
CAVEAT = "It rewards maps on the labelled object even if the net uses something else; large objects make it easy."
NEEDS = ("object",)


def score(case: Case, *, on: Literal["mask", "box"] = "mask") -> Asking[float]:
    """Return the map's sum inside the object's mask, or its box (the paper's), over its total, in [0, 1]; higher is better.

    A constant map has the object's share of the image. Raise NotApplicable if no object of the target class is marked.
    """
    (value,) = yield [MapValue(compute_share_inside, find_region(case, on))]
    return value
