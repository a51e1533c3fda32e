"""Deletion Correlation: does the class score fall most where the map is highest? (DC, Gomez et al., 2022)"""

import numpy as np

from ..scoring.case import Asking, Case, Steps
from ..scoring.perturbations import Substrate
from ._correlation import pearson
from ._curves import course

VERSION = 1
BETTER = "higher"
UNIT = "correlation"
RANGE = (-1.0, 1.0)
SHORT = "del-cor"
FAMILY = "deletion and insertion"
CAVEAT = "It asks for scores that fall in proportion to the map, which a right order with a wrong scale fails."


def score(case: Case, *, steps: Steps = 28, substrate: Substrate = "mean", cells: bool = False) -> Asking[float]:
    """Pearson's r, over deletion's steps, of the score's fall and the mean of the map over the pixels removed.

    0 where the map or the score is constant. `cells` as the authors: a cell of the map's own grid a step, as in deletion.
    """
    path = course(case, steps, cells=cells)
    scores = yield path.removed(substrate)
    return pearson(-np.diff(scores), path.values()) or 0.0
