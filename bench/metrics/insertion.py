"""Insertion: area under the class score while pixels enter a blurred image, the map's highest first (RISE, BMVC 2018)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Substrate
from ._curves import course

VERSION = 1
BETTER = "higher"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "insert"
FAMILY = "deletion and insertion"
CAVEAT = "It starts from a blurred image of which the net may still see something; large smooth maps do well."


def score(
    case: Case, *, steps: Steps = 28, substrate: Substrate = "blur", cells: bool = False, even: bool = False
) -> Asking[Curve]:
    """The softmax score against the share of pixels shown, in equal steps (the last may be smaller), both end points in.

    `cells` shows a cell of the map's own grid a step, whatever `steps` is, in 196 steps at most (Gomez et al., 2022). `even`
    rounds the steps down and weighs them alike (xplique). A constant map goes in reading order.
    """
    path = course(case, steps, cells=cells, even=even)
    scores = yield path.inserted(substrate)
    return Curve(path.shares, scores)
