"""Entropy: how evenly the map is spread, from 0 (one pixel) to 1 (all equal) (complexity, Bhatt et al., IJCAI 2020)."""

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "lower"
UNIT = "share of log n"
RANGE = (0.0, 1.0)
SHORT = "entropy"
FAMILY = "maps"
CAVEAT = "It does not use the net: a map of one pixel has the best value."


def score(case: Case) -> float:
    """Return -sum_i p_i log p_i / log n in [0, 1], with p_i the n pixels' shares of the map's sum; lower is better.

    Bhatt et al. do not divide by log n (nats). A constant map has the value 1.
    """
    if np.ptp(case.map) == 0:
        return 1.0
    values = case.map[case.map > 0].astype(np.float64)
    shares = values / values.sum()
    return float(np.clip(-(shares @ np.log(shares)) / np.log(case.pixels), 0, 1))
