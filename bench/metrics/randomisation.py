"""Sanity check: does the map change once the net's layers, from the last down, are random? (Adebayo et al., NeurIPS 2018)"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from ..scoring.case import Case, Curve, FloatMap
from ._correlation import pearson

VERSION = 1
BETTER = "lower"
UNIT = "similarity"
RANGE = (-1.0, 1.0)
SHORT = "random"
FAMILY = "robustness"
CAVEAT = (
    "A noisy map changes much with the weights without showing what they learnt: it can refute a method, not prove it."
)
NEEDS = ("method",)

Stages = Annotated[int, Field(ge=1)]


def score(
    case: Case, *, stages: Stages = 4, similarity: Literal["spearman", "ssim"] = "spearman", seed: int = 0
) -> Curve:
    """The mean similarity of the map with those of nets of which 1/stages, 2/stages, ..., all of the layers are random.

    Cascading: a stage's layers are random in the next one too. A map that does not look at the weights, a control's, scores 1
    and fails; low is a pass. Two constant maps are alike (1), a constant one and another are not (0). Costs `stages`
    explanations. Raises NotApplicable for a map without its method.
    """
    shares = [stage / stages for stage in range(1, stages + 1)]
    maps = [case.map, *(case.again.randomised(share, seed) for share in shares)]
    likenesses = [_likeness(case.map, one, similarity) for one in maps]
    return Curve([0.0, *shares], likenesses, value=float(np.mean(likenesses[1:])), pictures=tuple(maps))


def _likeness(one: FloatMap, other: FloatMap, similarity: str) -> float:
    if one.min() == one.max() or other.min() == other.max():
        return float(np.array_equal(one, other))
    if similarity == "ssim":
        return float(structural_similarity(one, other, data_range=1.0))
    return pearson(rankdata(one), rankdata(other)) or 0.0
