"""Insertion Correlation: does the class score rise most where the map is highest? (IC, Gomez et al., 2022)"""

import numpy as np

from ..scoring.case import Asking, Case, Steps
from ..scoring.perturbations import Fill
from ._correlation import correlate
from ._curves import make_schedule

VERSION = 1
BETTER = "higher"
UNIT = "correlation"
RANGE = (-1.0, 1.0)
SHORT = "ins-cor"
FAMILY = "deletion and insertion"
CAVEAT = (
    "It requires scores that rise in proportion to the map: a map with the right order but another scale does badly."
)


def score(case: Case, *, steps: Steps = 28, fill: Fill = "blur", cells: bool = False) -> Asking[float]:
    """Return Pearson's correlation in [-1, 1], over the steps of a curve; higher is better.

    It correlates the rise of the class score in each step of insertion with the mean of the map over the pixels shown. It is
    0 if the map or the score is constant. `cells` shows one cell of the map's own grid per step, as the authors do (see
    insertion).
    """
    schedule = make_schedule(case, steps, cells=cells)
    scores = yield schedule.list_insertion_images(fill)
    return correlate(np.diff(scores), schedule.compute_step_means()) or 0.0
