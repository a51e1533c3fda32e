"""Pixel flipping: area under the class-score curve as pixels turn black, most salient first (Bach et al., PLOS ONE 2015)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Fill
from ._curves import make_schedule

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "flip"
FAMILY = "deletion and insertion"
CAVEAT = "Images with flipped pixels are unlike any that the net was trained on; its score may fall for that alone."


def score(case: Case, *, steps: Steps = 28, fill: Fill = "black") -> Asking[Curve]:
    """Return the area under the class score against the share of pixels flipped, in [0, 1]; lower is better.

    The curve has `steps` equal steps and begins at the image itself. A pixel's three colours flip together, and the area does
    not depend on the number of steps. Quantus orders the colours separately, begins after the first flip and sums without a
    step width.
    """
    schedule = make_schedule(case, steps)
    scores = yield schedule.list_deletion_images(fill)
    return Curve(schedule.shares, scores)
