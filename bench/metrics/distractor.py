"""Distractor energy: the share of the map that lies on objects of other classes than the target."""

from ..scoring.case import Asking, Case, MapValue
from ._regions import compute_share_inside

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "distr"
FAMILY = "objects"
CAVEAT = (
    "Only images with a second object count, so n is small; it judges where a net should look, not where it does look."
)
NEEDS = ("object", "other object")


def score(case: Case) -> Asking[float]:
    """Return the sum of the map inside the other objects' masks over its total sum, in [0, 1]; lower is better.

    Raise NotApplicable unless the image has objects both of the target class and of another class.
    """
    mask = case.once("distractors", lambda: case.distractor_mask)
    (value,) = yield [MapValue(compute_share_inside, mask)]
    return value
