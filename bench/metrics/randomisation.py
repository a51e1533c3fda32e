"""Randomisation: how alike the map stays when the net's layers, from the top down, are made random (Adebayo et al., 2018)."""

from typing import Literal

import numpy as np
from scipy.stats import rankdata

from ..case import Case, Curve, FloatMap, Steps
from ..draws import Seed
from ..errors import NotApplicable

VERSION = 1
BETTER = "lower"
UNIT = "similarity"
RANGE = (-1.0, 1.0)
SHORT = "random"
NEEDS: tuple[str, ...] = ("method",)
WINDOW = 11  # pixels that a Gaussian of 1.5 reaches, which SSIM weighs by

Similarity = Literal["spearman", "ssim"]


def score(case: Case, *, similarity: Similarity = "spearman", stages: Steps = 4, seed: Seed = 0) -> Curve:
    """The mean similarity to the map over stages, at which 1/n, 2/n, ..., all of the layers have random weights.

    spearman: rank correlation of absolute values, equal ones ranked alike; ssim: with Gaussian weights, as the authors. Two
    constant maps are alike (1), a constant one and another are not (0). Controls that never look at the net stay at 1, which
    says nothing against them as controls. Raises NotApplicable without the method.
    """
    shares = [stage / stages for stage in range(stages + 1)]
    maps = [case.map, *(case.again.randomised(share, seed) for share in shares[1:])]
    alike = [1.0, *(_similar(case.map, map, similarity) for map in maps[1:])]
    return Curve(shares, alike, value=float(np.mean(alike[1:])), pictures=tuple(maps))


def _similar(one: FloatMap, other: FloatMap, similarity: Similarity) -> float:
    flat = [bool(np.ptp(map) == 0) for map in (one, other)]
    if any(flat):
        return float(all(flat))
    return _spearman(one, other) if similarity == "spearman" else _ssim(one, other)


def _spearman(one: FloatMap, other: FloatMap) -> float:
    ranks = [rankdata(np.abs(map), axis=None) for map in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def _ssim(one: FloatMap, other: FloatMap) -> float:
    from skimage.metrics import structural_similarity

    if min(one.shape) < WINDOW:
        raise NotApplicable(f"SSIM compares windows of {WINDOW} x {WINDOW} pixels, and the image is smaller")
    return float(structural_similarity(one, other, data_range=1.0, gaussian_weights=True))
