"""Faithfulness correlation: do pixels weigh in the score what they weigh in the map? (Bhatt et al., IJCAI 2020)"""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..case import Asking, Case, Steps
from ..draws import Seed, drawn, once
from ..errors import NotApplicable
from ..perturb import Clean, Shown, Substrate

VERSION = 1
BETTER = "higher"
UNIT = "correlation"
RANGE = (-1.0, 1.0)
SHORT = "faithco"


def score(
    case: Case, *, subset: Steps = 224, runs: Steps = 100, baseline: Substrate = "black", seed: Seed = 0
) -> Asking[float]:
    """Pearson's correlation, over random sets of so many pixels, of the map's sum there and of what the score loses without.

    A set is of pixels, not of single colours as in Quantus. Where the map's sums or the scores are all alike: 0.
    """
    if subset >= case.pixels:
        raise NotApplicable(f"the image has {case.pixels} pixels, and {subset} are to be left out at a time")
    left_out, questions = _asked(case.image, subset, runs, baseline, seed)
    clean, *scores = yield [Clean(), *questions]
    return _correlation(case.map.ravel()[left_out].sum(1, dtype=np.float64), clean - np.array(scores))


@once
def _asked(
    image: Tensor, subset: int, runs: int, baseline: Substrate, seed: int
) -> tuple[NDArray[np.int64], list[Shown]]:
    random, size = drawn(image, seed), (image.shape[1], image.shape[2])
    left_out = np.stack([random.choice(size[0] * size[1], subset, replace=False) for _ in range(runs)])
    shown = np.ones((runs, size[0] * size[1]), dtype=bool)
    np.put_along_axis(shown, left_out, values=False, axis=1)
    return left_out, [Shown(mask.reshape(size), baseline) for mask in shown]


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
