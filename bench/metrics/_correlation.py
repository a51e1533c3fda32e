"""Pearson's correlation, and where there is none."""

import numpy as np
from numpy.typing import ArrayLike


def pearson(first: ArrayLike, second: ArrayLike) -> float | None:
    """Over all values, in double precision; None where either is constant or not finite."""
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (first, second))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and np.ptp(a) and np.ptp(b)):
        return None
    a, b = ((values - values.mean()) / np.ptp(values) for values in (a, b))
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
