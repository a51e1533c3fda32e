"""Entropy: how evenly the map is spread, from 0 (one pixel) to 1 (all equal) (complexity, Bhatt et al., IJCAI 2020)."""

import math

import torch
from torch import Tensor

from ..forward.device import widen
from ..scoring.case import Asking, Case, MapValue

VERSION = 1
BETTER = "lower"
UNIT = "share of log n"
RANGE = (0.0, 1.0)
SHORT = "entropy"
FAMILY = "maps"
CAVEAT = "It does not use the net: a map of one pixel has the best value."


def score(case: Case) -> Asking[float]:
    """Return -sum_i p_i log p_i / log n in [0, 1], with p_i the n pixels' shares of the map's sum; lower is better.

    Bhatt et al. do not divide by log n (nats). A constant map has the value 1.
    """
    (value,) = yield [MapValue(compute_entropy)]
    return value


def compute_entropy(maps: Tensor) -> Tensor:
    """Return the entropy (n,) of maps (n, h, w), as a share of log n."""
    values = widen(maps.flatten(1))
    shares = values / values.sum(1, keepdim=True)
    entropy = torch.special.entr(shares).sum(1) / math.log(maps[0].numel())
    return torch.where(maps.amax((1, 2)) == maps.amin((1, 2)), 1, entropy.clamp(0, 1))
