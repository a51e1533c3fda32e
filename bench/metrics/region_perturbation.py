"""Region perturbation: how far does the score fall while regions go one by one? (AOPC, Samek et al., TNNLS 2017)"""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..scoring.case import Asking, Case, Curve, FloatMap, Question
from ..scoring.perturbations import Clean, Kept, Shown, Substrate

VERSION = 1
BETTER = {"order": {"morf": "higher", "lerf": "lower", "abpc": "higher"}}
UNIT = "probability"
RANGE = (-1.0, 1.0)
SHORT = "aopc"
FAMILY = "deletion and insertion"
CAVEAT = "It depends on the size of the regions and on what they are replaced by: compare only one setting."

Pixels = Annotated[int, Field(ge=1)]
Order = Literal["morf", "lerf", "abpc"]


def score(
    case: Case, *, order: Order = "morf", patch: Pixels = 8, regions: Pixels = 100, substrate: Substrate = "black"
) -> Asking[Curve]:
    """AOPC = sum_{k=0..L} (f(x_0) - f(x_k)) / (L + 1), the regions of highest mean map going first (morf) or last (lerf).

    Regions are squares of `patch` pixels from the image's corner, smaller at its far edges, L of them or all that there are;
    equals go in reading order. With lerf a faithful map keeps the score up and AOPC low. `abpc` is the area between the two
    curves, AOPC of morf less that of lerf; its curve is their difference.
    """
    (highest, count), (lowest, _) = _ranks(case.map, patch), _ranks(-case.map, patch)
    steps = min(regions, count)
    asked = {"morf": ["morf"], "lerf": ["lerf"], "abpc": ["morf", "lerf"]}[order]
    ranked = {"morf": highest, "lerf": lowest}
    images = [image for way in asked for image in _without(ranked[way], count, steps, substrate)]
    clean, *scores = yield [Clean(), *images]
    first = [clean, *scores[:steps]]
    fallen = clean - np.array(first) if order != "abpc" else np.array([clean, *scores[steps:]]) - np.array(first)
    shares = [k / count for k in range(steps + 1)]
    return Curve(shares, first if order != "abpc" else fallen.tolist(), value=float(fallen.mean()))


def _ranks(values: FloatMap, patch: int) -> tuple[NDArray[np.int64], int]:
    """The rank of each pixel's region (h, w), 0 the highest mean, and how many regions there are."""
    y, x = np.indices(values.shape) // patch
    region = y * (int(x.max()) + 1) + x
    means = np.bincount(region.ravel(), values.ravel()) / np.bincount(region.ravel())
    rank = np.empty(len(means), dtype=np.int64)
    rank[np.argsort(-means, kind="stable")] = np.arange(len(means))
    return rank[region], len(means)


def _without(rank: NDArray[np.int64], count: int, steps: int, substrate: Substrate) -> list[Question]:
    return [Shown(rank >= k, substrate) if k < count else Kept(0, 0, substrate) for k in range(1, steps + 1)]
