"""Pixel flipping: area under the class score while pixels turn black, the map's highest first (Bach et al., PLOS ONE 2015)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Substrate
from ._curves import course

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "flip"
FAMILY = "deletion and insertion"
CAVEAT = (
    "Single pixels that are flipped leave an image such as the net never saw, and its score may fall for that alone."
)


def score(case: Case, *, steps: Steps = 28, substrate: Substrate = "black") -> Asking[Curve]:
    """The score against the share of pixels flipped, in so many equal steps, the unflipped image being the first point.

    A pixel's three colours turn together, and the area does not grow with the steps. (Quantus orders the colours apart, starts
    behind the first flip, and sums without a width.)
    """
    path = course(case, steps)
    scores = yield path.removed(substrate)
    return Curve(path.shares, scores)
