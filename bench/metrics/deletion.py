"""Deletion: area under the class score while pixels leave the image, the map's highest first (RISE, BMVC 2018)."""

from ..perturb import Kept, Substrate
from ..scoring import Asking, Case, Curve, Steps, stages

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "delete"


def score(case: Case, *, steps: Steps = 28, substrate: Substrate = "mean") -> Asking[Curve]:
    """The softmax score against the share of pixels removed, in equal steps (the last may be smaller), both end points in."""
    counts = stages(case.pixels, steps)
    scores = yield [Kept(count, case.pixels, substrate) for count in counts]
    return Curve([count / case.pixels for count in counts], scores)
