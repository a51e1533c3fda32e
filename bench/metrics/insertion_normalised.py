"""Insertion with scores rescaled for each image: 1 is the whole image's score, 0 the fill's (as in XRAI, 2019)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Fill
from ._curves import make_schedule, normalise

VERSION = 1
BETTER = "higher"
UNIT = "share of the score"
RANGE = (0.0, 1.0)
SHORT = "insnorm"
FAMILY = "deletion and insertion"
CAVEAT = "Images that the net hardly recognises count as much as others; the fill is still unlike the training images."


def score(case: Case, *, steps: Steps = 28, fill: Fill = "blur", cells: bool = False) -> Asking[Curve]:
    """Return the area under the curve of (s - s_fill) / (s_image - s_fill), clipped to [0, 1]; higher is better.

    s is the class score. `cells` is as in insertion. A constant map's pixels are shown in reading order. Raise
    NotApplicable if the image does not score higher than the fill alone.
    """
    schedule = make_schedule(case, steps, cells=cells)
    scores = yield schedule.list_insertion_images(fill)
    return Curve(schedule.shares, normalise(scores, fill_score=scores[0], image_score=scores[-1]))
