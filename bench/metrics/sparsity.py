"""Sparsity: the map's highest value over its mean; 1 if all are equal, more if few are high (Gomez et al., 2022)."""

from math import inf

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "higher"
UNIT = "max / mean"
RANGE = (1.0, inf)
SHORT = "sparse"
FAMILY = "maps"
CAVEAT = "It does not use the net: an almost empty map has the best value."


def score(case: Case) -> float:
    """Return max / mean of the map, from 1 (a constant map) to the number of pixels (one pixel); higher is better."""
    mean = float(case.map.mean(dtype=np.float64))
    return float(case.map.max()) / mean if mean else 1.0
