"""Insertion: area under the class-score curve as pixels are added to a blurred image, most salient first (RISE, BMVC 2018)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Fill, TieOrder
from ._curves import make_schedule

VERSION = 1
BETTER = "higher"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "insert"
FAMILY = "deletion and insertion"
CAVEAT = "It starts from a blurred image, in which the net may still recognise something; large smooth maps do well."


def score(
    case: Case,
    *,
    steps: Steps = 28,
    fill: Fill = "blur",
    cells: bool = False,
    even: bool = False,
    ties: TieOrder = "reading",
) -> Asking[Curve]:
    """Return the area under the curve, in [0, 1]; higher is better.

    The curve is the class score against the share of pixels shown, with both end points. Steps have equal size; the last may
    be smaller. `cells` shows one cell of the map's own grid per step, in about 196 steps at most, whatever `steps` is (Gomez
    et al., 2022). `even` rounds steps down and gives them the same width (xplique). Equal pixels are shown in reading order, or
    with ties=reverse the last of them first, as in RISE's code if its sort keeps their order. Between the two orders the value
    of Grad-CAM's maps moves by up to .11 on shipped scenes.
    """
    schedule = make_schedule(case, steps, cells=cells, even=even, ties=ties)
    scores = yield schedule.list_insertion_images(fill)
    return Curve(schedule.shares, scores)
