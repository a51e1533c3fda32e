"""Energy pointing game: the share of the map that lies on the object that was asked for (Score-CAM, CVPRW 2020)."""

from ..scoring import Case, share_on

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "energy"


def score(case: Case) -> float:
    """Sum of the map in [0, 1] inside the object's mask over its sum. Raises NotApplicable without an object of the target."""
    return share_on(case.asked, case.map)
