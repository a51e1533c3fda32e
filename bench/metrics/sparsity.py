"""Sparsity: the map's highest value over its mean; 1 if all are equal, more if few are high (Gomez et al., 2022)."""

from math import inf

import torch
from torch import Tensor

from ..forward.device import widen
from ..scoring.case import Asking, Case, MapValue
from ._mean import compute_mean

VERSION = 1
BETTER = "higher"
UNIT = "max / mean"
RANGE = (1.0, inf)
SHORT = "sparse"
FAMILY = "maps"
CAVEAT = "It does not use the net: an almost empty map has the best value."


def score(case: Case) -> Asking[float]:
    """Return max / mean of the map, from 1 (a constant map) to the number of pixels (one pixel); higher is better."""
    (value,) = yield [MapValue(compute_sparsity)]
    return value


def compute_sparsity(maps: Tensor) -> Tensor:
    """Return max / mean (n,) of maps (n, h, w), 1 for a map of zeros."""
    mean = compute_mean(maps)
    return torch.where(mean > 0, widen(maps.amax((1, 2))) / mean, 1)
