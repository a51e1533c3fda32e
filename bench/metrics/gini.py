"""Sparseness: the Gini index of the map, from 0 (all values equal) to near 1 (few pixels hold all) (Chalasani et al., 2020)."""

import torch
from torch import Tensor

from ..forward.device import widen
from ..scoring.blend import sort_pixels
from ..scoring.case import Asking, Case, MapValue

VERSION = 1
BETTER = "higher"
UNIT = "Gini index"
RANGE = (0.0, 1.0)
SHORT = "gini"
FAMILY = "maps"
CAVEAT = "It does not use the net: a map of one pixel has the best value."

EPSILON = 1e-7  # added to each value, as in Quantus


def score(case: Case) -> Asking[float]:
    """Return sum_i (2 i - n - 1) v_i / (n sum_i v_i) in [0, 1), with v the n values in ascending order; higher is better.

    A constant map has the value 0.
    """
    (value,) = yield [MapValue(compute_gini)]
    return value


def compute_gini(maps: Tensor) -> Tensor:
    """Return the Gini index (n,) of maps (n, h, w)."""
    values = widen(sort_pixels(maps))
    count = values.shape[1]
    weights = 2 * torch.arange(1, count + 1, dtype=values.dtype, device=values.device) - count - 1
    # The weights sum to 0, so subtracting the lowest value changes nothing.
    return (values - values[:, :1]) @ weights / (count * (values + EPSILON).sum(1))
