"""Region perturbation: how far does the score fall as regions are replaced one by one? (AOPC, Samek et al., TNNLS 2017)"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.constraints import Count
from ..scoring.case import Asking, Case, Curve, FloatMap, Question
from ..scoring.perturbations import Clean, Fill, Kept, RegionSeries

VERSION = 1
BETTER = {"order": {"morf": "higher", "lerf": "lower", "abpc": "higher"}}
UNIT = "probability"
RANGE = (-1.0, 1.0)
SHORT = "aopc"
FAMILY = "deletion and insertion"
CAVEAT = "It depends on the size of the regions and on the fill: compare only values with the same settings."

Order = Literal["morf", "lerf", "abpc"]


def score(
    case: Case, *, order: Order = "morf", patch: Count = 8, regions: Count = 100, fill: Fill = "black"
) -> Asking[Curve]:
    """Return AOPC = sum_{k=0..L} (f(x_0) - f(x_k)) / (L + 1), in [-1, 1]; higher is better, but lower with order=lerf.

    x_k is the image with its k regions of highest mean map (morf) or lowest mean map (lerf) replaced. Regions are squares of
    `patch` pixels from the image's corner, smaller at its far edges; L is `regions`, or all that there are. Equal regions are
    replaced in reading order. `abpc` is the area between the two curves, AOPC of morf minus that of lerf, and its curve their
    difference.
    """
    (descending, count), (ascending, _) = _rank_regions(case.map, patch), _rank_regions(-case.map, patch)
    steps = min(regions, count)
    ranks = {"morf": [descending], "lerf": [ascending], "abpc": [descending, ascending]}[order]
    clean, *scores = yield [Clean(), *(image for rank in ranks for image in _remove(rank, count, steps, fill))]
    curve = [clean, *scores[:steps]]
    drops = clean - np.array(curve) if order != "abpc" else np.array([clean, *scores[steps:]]) - np.array(curve)
    shares = [k / count for k in range(steps + 1)]
    return Curve(shares, curve if order != "abpc" else drops.tolist(), value=float(drops.mean()))


def _rank_regions(values: FloatMap, patch: int) -> tuple[NDArray[np.int64], int]:
    """Return the rank (h, w) of each pixel's region, 0 for the highest mean, and the number of regions."""
    y, x = np.indices(values.shape) // patch
    region = y * (int(x.max()) + 1) + x
    means = np.bincount(region.ravel(), values.ravel()) / np.bincount(region.ravel())
    rank = np.empty(len(means), dtype=np.int64)
    rank[np.argsort(-means, kind="stable")] = np.arange(len(means))
    return rank[region], len(means)


def _remove(rank: NDArray[np.int64], count: int, steps: int, fill: Fill) -> list[Question]:
    bounds = tuple((k, count) for k in range(1, min(steps + 1, count)))
    series: list[Question] = [RegionSeries(rank, bounds, fill)] if bounds else []
    return [*series, Kept(0, 0, fill)] if steps == count else series
