"""Deletion: area under the class score while pixels leave the image, the map's highest first (RISE, BMVC 2018)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Substrate
from ._curves import course

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "delete"
FAMILY = "deletion and insertion"
CAVEAT = "Pixels that are taken out leave images such as the net never saw, and its score may fall for that alone."


def score(
    case: Case, *, steps: Steps = 28, substrate: Substrate = "mean", cells: bool = False, even: bool = False
) -> Asking[Curve]:
    """The softmax score against the share of pixels removed, in equal steps (the last may be smaller), both end points in.

    `cells` removes a cell of the map's own grid a step, whatever `steps` is, in 196 steps at most (Gomez et al., 2022). `even`
    rounds the steps down and weighs them alike (xplique). A constant map goes in reading order.
    """
    path = course(case, steps, cells=cells, even=even)
    scores = yield path.removed(substrate)
    return Curve(path.shares, scores)
