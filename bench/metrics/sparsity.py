"""Sparsity: the map's highest value over its mean, 1 where all are equal, higher the fewer are high (Gomez et al., 2022)."""

from math import inf

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "higher"
UNIT = "max / mean"
RANGE = (1.0, inf)
SHORT = "sparse"
FAMILY = "maps"
CAVEAT = "It knows nothing of the net: an almost empty map is the best there is."


def score(case: Case) -> float:
    """At most the number of pixels, where one holds all. A constant map: 1."""
    mean = float(case.map.mean(dtype=np.float64))
    return float(case.map.max()) / mean if mean else 1.0
