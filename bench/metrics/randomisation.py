"""Sanity check: does the map change when the net's layers are randomised from the last one down? (Adebayo et al., 2018)"""

from typing import Literal

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from ..core.constraints import Count
from ..scoring.blend import rank_pixels
from ..scoring.case import AskingMaps, Case, Curve, FloatMap, MapValue, RandomisedMap
from ._correlation import correlate_maps

VERSION = 2
BETTER = "lower"
UNIT = "similarity"
RANGE = (-1.0, 1.0)
SHORT = "random"
FAMILY = "robustness"
CAVEAT = (
    "A noisy map changes with the weights without showing what they learnt: it can refute a method, not confirm it."
)
AXES = ("share of layers randomised", "similarity to the map")
NEEDS = ("method",)


def score(
    case: Case, *, stages: Count = 4, similarity: Literal["spearman", "ssim"] = "spearman", seed: int = 0
) -> AskingMaps[Curve]:
    """Return the mean similarity of the map to the maps of randomised nets, in [-1, 1]; lower is better.

    1/stages, 2/stages, ..., all of the layers are random, from the last one down; the layers of one stage stay random in the
    next. A layer is initialised as its type is by default; other weights, such as a net's own parameters, are shuffled. A map
    that does not depend on the weights, such as a control's, scores 1. Two constant maps have the similarity 1, a
    constant and another map 0. It costs `stages` explanations. Raise NotApplicable if only the map, not its method, is given.
    """
    shares = [stage / stages for stage in range(1, stages + 1)]
    questions = [RandomisedMap(share, seed) for share in shares]
    if similarity == "ssim":
        maps = yield questions
        similarities = [_compare_structure(case.map, map_) for map_ in maps]
    else:
        answers = yield questions + [MapValue(compare_ranks, other=question) for question in questions]
        maps, similarities = answers[:stages], answers[stages:]
    # a map is the same as itself
    return Curve([0.0, *shares], [1.0, *similarities], float(np.mean(similarities)), pictures=(case.map, *maps))


def compare_ranks(maps: Tensor, others: Tensor) -> Tensor:
    """Return Spearman's correlation (n,) of maps (n, h, w) with others; of a constant map, 1 with an equal one, else 0."""
    correlations = correlate_maps(_rank_evenly(maps), _rank_evenly(others))
    equal = (maps == others).all(2).all(1)
    return torch.where(correlations.isnan(), equal.to(correlations.dtype), correlations)


def _rank_evenly(maps: Tensor) -> Tensor:
    """Return twice the rank of each pixel; equal pixels have the mean of their ranks, that is of the two orders of them."""
    return rank_pixels(maps) + rank_pixels(maps, "reverse")


def _compare_structure(first: FloatMap, second: FloatMap) -> float:
    if first.min() == first.max() or second.min() == second.max():
        return float(np.array_equal(first, second))
    return float(structural_similarity(first, second, data_range=1.0))
