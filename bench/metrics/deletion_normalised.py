"""Deletion by the image's own scores: 1 is the whole image's, 0 that of what is left in the end (as in XRAI, 2019)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Substrate
from ._curves import course, normalised

VERSION = 1
BETTER = "lower"
UNIT = "share of the score"
RANGE = (0.0, 1.0)
SHORT = "delnorm"
FAMILY = "deletion and insertion"
CAVEAT = "Images that the net hardly knows weigh as much as others; the fill is still nothing the net has seen."


def score(case: Case, *, steps: Steps = 28, substrate: Substrate = "mean", cells: bool = False) -> Asking[Curve]:
    """Deletion's curve, (s - bare) / (whole - bare) at each point, cut to [0, 1]; `cells` as there.

    A constant map goes in reading order. Raises NotApplicable where the whole image scores no higher than the bare one.
    """
    path = course(case, steps, cells=cells)
    scores = yield path.removed(substrate)
    return Curve(path.shares, normalised(scores, bare=scores[-1], whole=scores[0]))
