"""Faithfulness correlation: do the pixels of high map, taken out together, cost the score more? (Bhatt et al., IJCAI 2020)"""

from typing import Annotated

import numpy as np
from pydantic import Field

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Shown, Substrate
from ._correlation import pearson
from ._draws import draws

VERSION = 1
BETTER = "higher"
UNIT = "correlation"
RANGE = (-1.0, 1.0)
SHORT = "faith"
FAMILY = "perturbation"
CAVEAT = "It is drawn at random: with few subsets the noise is as large as the differences between methods."

Count = Annotated[int, Field(ge=2)]
Size = Annotated[int, Field(ge=1)]


def score(
    case: Case, *, runs: Count = 100, subset: Size = 224, substrate: Substrate = "black", seed: int = 0
) -> Asking[float]:
    """Pearson's r over random sets of `subset` pixels of the sum of the map in a set and the score lost without it.

    224 pixels and black as in LATEC and Quantus. The sets are the same for every method. Where map or score is constant: 0.
    """
    dice, pixels = draws(case, seed), case.pixels
    sets = [dice.choice(pixels, min(subset, pixels), replace=False) for _ in range(runs)]
    clean, *without = yield [Clean(), *(_without(case, chosen, substrate) for chosen in sets)]
    sums = [float(case.map.flat[chosen].sum(dtype=np.float64)) for chosen in sets]
    return pearson(sums, [clean - one for one in without]) or 0.0


def _without(case: Case, chosen: np.ndarray, substrate: Substrate) -> Shown:
    mask = np.ones(case.pixels, dtype=bool)
    mask[chosen] = False
    return Shown(mask.reshape(case.map.shape), substrate)
