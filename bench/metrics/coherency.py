"""Coherency: does the method give the same map for the image masked by its map? (ADCC, Poppi et al., CVPRW 2021)"""

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Fill
from ._soft import ask_for_coherency

VERSION = 1
BETTER = "higher"
UNIT = "(1 + correlation) / 2"
RANGE = (0.0, 1.0)
SHORT = "coher"
FAMILY = "maps"
CAVEAT = "It measures whether a map reproduces itself, not whether it explains the net: an unchanging map is coherent."
NEEDS = ("method",)


def score(case: Case, *, fill: Fill = "mean") -> Asking[float]:
    """Return (1 + r) / 2 in [0, 1], with r Pearson's correlation of the two maps; higher is better.

    The second map is the method's, for the same class, of the image masked by the first: it costs one more explanation. If
    either map is constant, r is undefined and the value is 0. Raise NotApplicable if only the map, not its method, is given.
    """
    (value,) = yield [ask_for_coherency(fill)]
    return value
