"""Sparseness: the Gini index of the map, from 0 (all values equal) to near 1 (few pixels hold all) (Chalasani et al., 2020)."""

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "higher"
UNIT = "Gini index"
RANGE = (0.0, 1.0)
SHORT = "gini"
FAMILY = "maps"
CAVEAT = "It does not use the net: a map of one pixel has the best value."

EPSILON = 1e-7  # added to each value, as in Quantus


def score(case: Case) -> float:
    """Return sum_i (2 i - n - 1) v_i / (n sum_i v_i) in [0, 1), with v the n values in ascending order; higher is better.

    A constant map has the value 0.
    """
    values = np.sort(case.map, axis=None).astype(np.float64)
    # The weights sum to 0, so subtracting the lowest value changes nothing.
    weights = 2 * np.arange(1, values.size + 1) - values.size - 1
    return float(weights @ (values - values[0]) / (values.size * (values + EPSILON).sum()))
