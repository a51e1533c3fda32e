"""Pearson's correlation, with None if it is undefined."""

import numpy as np
from numpy.typing import ArrayLike


def correlate(first: ArrayLike, second: ArrayLike) -> float | None:
    """Return Pearson's correlation of all values, in double precision; None if either input is constant or not finite."""
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (first, second))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.ptp(a) and np.ptp(b)):
        return None
    a, b = ((values - values.mean()) / np.ptp(values) for values in (a, b))
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
