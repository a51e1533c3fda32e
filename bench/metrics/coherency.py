"""Coherency: does the method, shown only its map's part of the image, give the same map? (ADCC, Poppi et al., CVPRW 2021)"""

from ..scoring.case import Case
from ..scoring.perturbations import Substrate
from ._soft import coherence

VERSION = 1
BETTER = "higher"
UNIT = "(1 + correlation) / 2"
RANGE = (0.0, 1.0)
SHORT = "coher"
FAMILY = "maps"
CAVEAT = (
    "It says that a map explains itself again, not that it explains the net: a constant method is perfectly coherent."
)
NEEDS = ("method",)


def score(case: Case, *, fill: Substrate = "mean") -> float:
    """(1 + Pearson's r of the map and of the map of the image masked by it) / 2: one more explanation, of the same class.

    Where either map is constant there is no r: 0. Raises NotApplicable for a map without its method.
    """
    return coherence(case, fill)
