"""Sparseness: the Gini index of the map's values, 0 where all are equal, near 1 where few pixels hold all (Chalasani, 2020)."""

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "higher"
UNIT = "Gini index"
RANGE = (0.0, 1.0)
SHORT = "gini"
FAMILY = "maps"
CAVEAT = "It knows nothing of the net: a map of one pixel is the best there is."

EPSILON = 1e-7  # added to each value, as in Quantus


def score(case: Case) -> float:
    """The sum of (2 i - n - 1) v_i over n times the sum of v, with v the n values in rising order. A constant map: 0."""
    values = np.sort(case.map, axis=None).astype(np.float64)
    weights = 2 * np.arange(1, values.size + 1) - values.size - 1  # they add up to 0: the lowest value may be taken off
    return float(weights @ (values - values[0]) / (values.size * (values + EPSILON).sum()))
