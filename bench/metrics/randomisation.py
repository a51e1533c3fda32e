"""Sanity check: does the map change when the net's layers are randomised from the last one down? (Adebayo et al., 2018)"""

from typing import Literal

import numpy as np
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from ..core.constraints import Count
from ..scoring.case import AskingMaps, Case, Curve, FloatMap, RandomisedMap
from ._correlation import correlate

VERSION = 1
BETTER = "lower"
UNIT = "similarity"
RANGE = (-1.0, 1.0)
SHORT = "random"
FAMILY = "robustness"
CAVEAT = (
    "A noisy map changes with the weights without showing what they learnt: it can refute a method, not confirm it."
)
NEEDS = ("method",)


def score(
    case: Case, *, stages: Count = 4, similarity: Literal["spearman", "ssim"] = "spearman", seed: int = 0
) -> AskingMaps[Curve]:
    """Return the mean similarity of the map to the maps of randomised nets, in [-1, 1]; lower is better.

    1/stages, 2/stages, ..., all of the layers are random, from the last one down; the layers of one stage stay random in the
    next. A map that does not depend on the weights, such as a control's, scores 1. Two constant maps have the similarity 1, a
    constant and another map 0. It costs `stages` explanations. Raise NotApplicable if only the map, not its method, is given.
    """
    shares = [stage / stages for stage in range(1, stages + 1)]
    maps = [case.map, *(yield [RandomisedMap(share, seed) for share in shares])]
    similarities = [_compare(case.map, map_, similarity) for map_ in maps]
    return Curve([0.0, *shares], similarities, value=float(np.mean(similarities[1:])), pictures=tuple(maps))


def _compare(first: FloatMap, second: FloatMap, similarity: str) -> float:
    if first.min() == first.max() or second.min() == second.max():
        return float(np.array_equal(first, second))
    if similarity == "ssim":
        return float(structural_similarity(first, second, data_range=1.0))
    return correlate(rankdata(first), rankdata(second)) or 0.0
