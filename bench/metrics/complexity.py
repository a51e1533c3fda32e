"""Complexity: the mean of the map in [0, 1], its L1 norm by its pixels (ADCC, Poppi et al., CVPRW 2021)."""

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "complex"
FAMILY = "maps"
CAVEAT = "It knows nothing of the net: an almost empty map is the best there is."


def score(case: Case) -> float:
    """0 where no pixel is highlighted, and so for a constant map; 1 where all are."""
    return float(case.map.mean(dtype=np.float64))
