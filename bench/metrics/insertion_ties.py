"""Insertion's ties: by how much its area differs between orders of equal pixels, which the map leaves open."""

from functools import partial
from typing import Annotated

from pydantic import Field

from ..scoring.case import Asking, Case, Steps
from ..scoring.perturbations import Kept, Substrate
from ._curves import tie_spread

VERSION = 1
BETTER = "lower"
UNIT = "mean probability"
RANGE = (0.0, 1.0)
SHORT = "ins-tie"
FAMILY = "deletion and insertion"
CAVEAT = "It says how coarse a map is, not how good: of a map with many ties the curve depends on how ties are broken."


def score(
    case: Case,
    *,
    steps: Steps = 28,
    substrate: Substrate = "blur",
    orders: Annotated[int, Field(ge=2)] = 5,
    seed: int = 0,
) -> Asking[float]:
    """The highest less the lowest area over so many seeded orders; 0 where no step parts equal pixels.

    More orders spread no less: it is a lower bound of what the rule for ties decides. Of a constant map it decides all.
    """
    return (yield from tie_spread(case, steps, orders, seed, partial(_image, substrate)))


def _image(substrate: Substrate, count: int, ties: int | None) -> Kept:
    return Kept(0, count, substrate, ties)
