"""Distractor energy: the share of the map that lies on an object of another class than the one asked for."""

from ..scoring.case import Case, share_on

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "distr"
FAMILY = "objects"
CAVEAT = "Only images with another object count, so n is small; it knows where a net should look, not where it does."
NEEDS = ("object", "other object")


def score(case: Case) -> float:
    """Sum of the map in [0, 1] inside the other objects' masks over its sum. Raises NotApplicable without both."""
    return share_on(case.others, case.map)
