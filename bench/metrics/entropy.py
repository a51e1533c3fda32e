"""Entropy: how evenly the map is spread, 0 on one pixel, 1 on all alike (complexity by Bhatt et al., IJCAI 2020)."""

import numpy as np

from ..scoring.case import Case

VERSION = 1
BETTER = "lower"
UNIT = "share of log n"
RANGE = (0.0, 1.0)
SHORT = "entropy"
FAMILY = "maps"
CAVEAT = "It knows nothing of the net: a map of one pixel is the best there is."


def score(case: Case) -> float:
    """-sum p log p over log n, with p the n pixels' shares of the map's sum (times log n: nats). A constant map: 1."""
    if np.ptp(case.map) == 0:
        return 1.0
    values = case.map[case.map > 0].astype(np.float64)
    shares = values / values.sum()
    return float(np.clip(-(shares @ np.log(shares)) / np.log(case.pixels), 0, 1))
