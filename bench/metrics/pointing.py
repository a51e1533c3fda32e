"""Pointing game: is the map's peak inside the convex hull of the object that was asked for? (Zhang et al., IJCV 2018)"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay

from ..images import Mask
from ..scoring import Case

VERSION = 1
BETTER = "higher"
UNIT = "yes or no"
RANGE = (0.0, 1.0)
SHORT = "point"


def score(case: Case) -> float:
    """The share of peak pixels inside the hull (one peak: 1 or 0). The hull, because rings and keys have holes; no tolerance.

    Raises NotApplicable where the image holds no object of the target class.
    """
    peaks = np.argwhere(case.map == case.map.max()) + 0.5
    return float((Delaunay(_outline(case.asked)).find_simplex(peaks) >= 0).mean())


def _outline(mask: Mask) -> NDArray[np.int64]:
    """The corners of each row's first and last pixel: all that a convex hull can touch, and never on one line."""
    rows = np.flatnonzero(mask.any(1))
    left, right = mask[rows].argmax(1), mask.shape[1] - mask[rows, ::-1].argmax(1)
    return np.concatenate([np.stack([y, x], 1) for y in (rows, rows + 1) for x in (left, right)])
