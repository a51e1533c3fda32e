"""Region perturbation: the score lost, on average, while the map's squares leave the image one by one (Samek et al., 2017)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..case import Asking, Case, Curve, FloatMap, Steps
from ..perturb import Clean, Kept, Perturbed, Shown, Substrate

VERSION = 1
BETTER = "higher"
UNIT = "class score"
RANGE = (-1.0, 1.0)
SHORT = "regions"

Order = Literal["morf", "lerf", "abpc"]


def score(
    case: Case, *, order: Order = "morf", patch: Steps = 8, regions: Steps = 100, fill: Substrate = "black"
) -> Asking[Curve | float]:
    """morf, the most relevant square first: AOPC, the mean over k = 0, 1, ..., L of the score less that without k squares.

    lerf, the least relevant first: minus AOPC, so that more is better here too. abpc: their sum, the area between the two.
    The squares lie on a grid, those at the image's edges may be smaller; a square's relevance is the map's sum there. L is
    100, or as many as there are. Equal squares, and those of a constant map, rank in reading order, the first the highest.
    The paper fills by uniform noise, Quantus by the image's lowest value.
    """
    ranks, count = _ranks(case.map, patch)
    last = min(regions, count)
    turns = {"morf": [ranks], "lerf": [count - 1 - ranks], "abpc": [ranks, count - 1 - ranks]}[order]
    clean, *found = yield [Clean(), *(one for turn in turns for one in _without(turn, count, last, fill))]
    curves = [[clean, *found[start : start + last]] for start in range(0, len(found), last)]
    lost = [clean - float(np.mean(curve)) for curve in curves]
    if order == "abpc":
        return lost[0] - lost[1]
    gone = np.cumsum(np.bincount(turns[0].ravel()))[:last] / case.pixels
    return Curve([0.0, *gone.tolist()], curves[0], value=lost[0] if order == "morf" else -lost[0])


def _ranks(map: FloatMap, patch: int) -> tuple[NDArray[np.int64], int]:
    """The rank of each pixel's square (h, w), 0 the most relevant, and how many squares there are; the grid is centred."""
    rows, columns = ((np.arange(size) + -size % patch // 2) // patch for size in map.shape)
    squares = rows[:, None] * (columns[-1] + 1) + columns
    order = np.argsort(-np.bincount(squares.ravel(), map.ravel()), kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return places[squares], len(order)


def _without(ranks: NDArray[np.int64], count: int, last: int, fill: Substrate) -> list[Perturbed]:
    """The image without its first square, its first two, ..., its first L."""
    return [Shown(ranks >= k, fill) if k < count else Kept(0, 0, fill) for k in range(1, last + 1)]
