"""Pearson's correlation of lists of numbers, and of maps."""

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from ..forward.device import widen


def correlate(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Pearson's correlation of all values, in double precision; None if either input is constant or not finite."""
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (first, second))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.ptp(a) and np.ptp(b)):
        return None
    a, b = ((values - values.mean()) / np.ptp(values) for values in (a, b))
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))


def correlate_maps(first: Tensor, second: Tensor) -> Tensor:
    """Return Pearson's correlation (n,) of maps (n, h, w) with other maps; NaN if either map is constant."""
    a, b = (_normalise(widen(maps.flatten(1))) for maps in (first, second))
    return ((a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()).clamp(-1, 1)


def _normalise(values: Tensor) -> Tensor:
    """Return values (n, pixels) minus their mean, divided by their range; NaN if all are equal."""
    spread = values.amax(1, keepdim=True) - values.amin(1, keepdim=True)
    return (values - values.mean(1, keepdim=True)) / spread
