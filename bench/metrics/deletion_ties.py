"""Deletion's ties: how much its area depends on the order of pixels with equal values, which the map does not decide."""

from functools import partial

from ..core.constraints import CountFromTwo
from ..scoring.case import Asking, Case, Steps
from ..scoring.perturbations import Fill, Kept, Ties
from ._curves import measure_tie_spread

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "del-tie"
FAMILY = "deletion and insertion"
CAVEAT = "It measures how coarse a map is, not how good: with many ties the curve depends on how ties are broken."

TIES_OF = "deletion[cells=False,even=False]"  # the order matters as much for both values of its setting `ties`


def score(
    case: Case,
    *,
    steps: Steps = 28,
    fill: Fill = "mean",
    orders: CountFromTwo = 5,
    seed: int = 0,
) -> Asking[float]:
    """Return the highest minus the lowest area over `orders` seeded orders of equal pixels, in [0, 1]; lower is better.

    It is 0 if no step separates equal pixels. More orders never give a smaller value: it is a lower bound of the effect of the
    rule for ties. For a constant map the rule decides everything. In a run that has deletion too, with the same protocol,
    `steps` and `fill`, tables mark each mean that ties can move by more than half the width of its interval, and a
    difference of means that is smaller than the mean of this metric, for either method, decides nothing.
    """
    return (yield from measure_tie_spread(case, steps, orders, seed, partial(_make_image, case.pixels, fill)))


def _make_image(pixels: int, fill: Fill, count: int, ties: Ties) -> Kept:
    return Kept(count, pixels, fill, ties)
