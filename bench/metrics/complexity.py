"""Complexity: the mean of the map in [0, 1], that is its L1 norm per pixel (ADCC, Poppi et al., CVPRW 2021)."""

from ..scoring.case import Asking, Case, MapValue
from ._mean import compute_mean

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "complex"
FAMILY = "maps"
CAVEAT = "It does not use the net: an almost empty map has the best value."


def score(case: Case) -> Asking[float]:
    """Return the mean of the map, in [0, 1]: 0 for a constant map, 1 if all pixels are highlighted; lower is better."""
    (mean,) = yield [MapValue(compute_mean)]
    return mean
