"""Pointing game: is the map's peak inside the convex hull of the object that was asked for? (Zhang et al., IJCV 2018)"""

import numpy as np
from scipy.spatial import Delaunay

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
    corners = np.argwhere(case.asked)[:, None] + [[0, 0], [0, 1], [1, 0], [1, 1]]  # of the pixels: never on one line
    hull = Delaunay(np.unique(corners.reshape(-1, 2), axis=0))
    peaks = np.argwhere(case.map == case.map.max()) + 0.5
    return float((hull.find_simplex(peaks) >= 0).mean())
