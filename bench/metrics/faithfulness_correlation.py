"""Faithfulness correlation: does removing pixels of high map value cost more score? (Bhatt et al., IJCAI 2020)"""

import numpy as np
from numpy.typing import NDArray

from ..core.constraints import Count, CountFromTwo
from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Fill, InsideSeries
from ._correlation import correlate
from ._draws import make_generator

VERSION = 2
BETTER = "higher"
UNIT = "correlation"
RANGE = (-1.0, 1.0)
SHORT = "faith"
FAMILY = "perturbation"
CAVEAT = "It is drawn at random: with few subsets its noise is as large as the differences between methods."


def score(
    case: Case, *, runs: CountFromTwo = 100, subset: Count = 224, fill: Fill = "black", seed: int = 0
) -> Asking[float]:
    """Return Pearson's r in [-1, 1] of the map's sum over a set of pixels and the score lost without it; higher is better.

    The correlation is over `runs` random sets of `subset` pixels, the same sets for every method. 224 pixels and black are the
    values of LATEC and Quantus. It is 0 if the map or the score is constant.
    """
    key = ("subsets", runs, subset, fill, seed)
    subsets, images = case.once(key, lambda: _draw_subsets(case, runs, subset, fill, seed))
    clean, *scores = yield [Clean(), images]
    sums = case.map.ravel()[subsets].sum(1, dtype=np.float64)
    return correlate(sums, clean - np.array(scores)) or 0.0


def _draw_subsets(case: Case, runs: int, subset: int, fill: Fill, seed: int) -> tuple[NDArray[np.int64], InsideSeries]:
    """Draw sets of pixels (runs, subset), and describe the image without each."""
    rng, pixels = make_generator(case, seed), case.pixels
    subsets = np.stack([rng.choice(pixels, min(subset, pixels), replace=False) for _ in range(runs)])
    masks = np.ones((runs, pixels), dtype=bool)
    np.put_along_axis(masks, subsets, values=False, axis=1)
    return subsets, InsideSeries(masks.reshape(runs, *case.size), fill)
