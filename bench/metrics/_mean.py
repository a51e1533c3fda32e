"""The mean of a map: how much of the image it highlights."""

from torch import Tensor

from ..forward.device import widen


def compute_mean(maps: Tensor) -> Tensor:
    """Return the mean (n,) of maps (n, h, w)."""
    return widen(maps).mean((1, 2))
