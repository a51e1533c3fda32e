"""Faithfulness correlation: does removing pixels of high map value cost more score? (Bhatt et al., IJCAI 2020)"""

import numpy as np

from ..core.constraints import Count, CountFromTwo
from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Inside, Substrate
from ._correlation import correlate
from ._draws import make_generator

VERSION = 1
BETTER = "higher"
UNIT = "correlation"
RANGE = (-1.0, 1.0)
SHORT = "faith"
FAMILY = "perturbation"
CAVEAT = "It is drawn at random: with few subsets its noise is as large as the differences between methods."


def score(
    case: Case, *, runs: CountFromTwo = 100, subset: Count = 224, substrate: Substrate = "black", seed: int = 0
) -> Asking[float]:
    """Return Pearson's r in [-1, 1] of the map's sum over a set of pixels and the score lost without it; higher is better.

    The correlation is over `runs` random sets of `subset` pixels, the same sets for every method. 224 pixels and black are the
    values of LATEC and Quantus. It is 0 if the map or the score is constant.
    """
    rng, pixels = make_generator(case, seed), case.pixels
    subsets = [rng.choice(pixels, min(subset, pixels), replace=False) for _ in range(runs)]
    clean, *scores = yield [Clean(), *(_remove(case, indices, substrate) for indices in subsets)]
    sums = [float(case.map.flat[indices].sum(dtype=np.float64)) for indices in subsets]
    return correlate(sums, [clean - score for score in scores]) or 0.0


def _remove(case: Case, indices: np.ndarray, substrate: Substrate) -> Inside:
    mask = np.ones(case.pixels, dtype=bool)
    mask[indices] = False
    return Inside(mask.reshape(case.map.shape), substrate)
