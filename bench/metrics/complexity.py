"""Complexity: the mean of the map in [0, 1], that is its L1 norm per pixel (ADCC, Poppi et al., CVPRW 2021)."""

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "complex"
FAMILY = "maps"
CAVEAT = "It does not use the net: an almost empty map has the best value."


def score(case: Case) -> float:
    """Return the mean of the map, in [0, 1]: 0 for a constant map, 1 if all pixels are highlighted; lower is better."""
    return float(case.map.mean(dtype=np.float64))
