"""Pixel flipping: area under the class score while pixels turn black, the map's highest first (Bach et al., 2015)."""

from ..case import Asking, Case, Curve, Steps, stages
from ..perturb import Kept, Substrate

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "flip"


def score(case: Case, *, pixels: Steps | None = None, steps: Steps = 28, fill: Substrate = "black") -> Asking[Curve]:
    """The class score against the share of pixels flipped, so many at a time, or in so many steps where that is not said.

    The area is over shares, so it does not grow with the number of steps, and begins with the image as it is; in Quantus it
    begins after the first step and grows. A constant map's pixels turn in reading order. LATEC flips 224 pixels at a time.
    """
    counts = stages(case.pixels, steps) if pixels is None else [*range(0, case.pixels, pixels), case.pixels]
    scores = yield [Kept(count, case.pixels, fill) for count in counts]
    return Curve([count / case.pixels for count in counts], scores)
