"""ROAD: class score as pixels are imputed from their neighbours, most or least salient first (Rong et al., ICML 2022)."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..core.constraints import NonNegative
from ..data.types import STD
from ..forward.device import move_to_device
from ..scoring.case import Asking, Case, IsTop1
from ..scoring.perturbations import Clean, ImputedSeries
from ._draws import make_generator

VERSION = 2
BETTER = {"order": {"combined": "higher", "lerf": "higher", "morf": "lower"}}
UNIT = "share"
RANGE = (-1.0, 1.0)
SHORT = "road"
FAMILY = "deletion and insertion"
CAVEAT = (
    "Imputation hides the shape of what was removed but is smooth: images are only somewhat more like training images."
)

Ranking = Literal["morf", "lerf"]
Order = Literal["combined", "morf", "lerf"]
Space = Literal["normalised", "pixels"]

PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90)


def score(
    case: Case,
    *,
    order: Order = "combined",
    read: Literal["confidence", "accuracy"] = "confidence",
    threshold: bool = False,
    noise: NonNegative = 0.01,
    space: Space = "normalised",
    seed: int = 0,
) -> Asking[float]:
    """Return the mean over 10, 20, ..., 90 % of pixels imputed, linearly and with noise; higher is better, but lower with morf.

    `morf` imputes the most salient pixels first, `lerf` the least salient; `combined` is (lerf - morf) / 2, in [-0.5, 0.5].
    `confidence` reads the change of the class score (pytorch-grad-cam), `accuracy` whether the target is still the top class
    (the authors). Equal pixels are imputed in reading order; with `threshold`, as in pytorch-grad-cam, all pixels above a
    percentile are imputed together, so that a map with many zeros loses every pixel. The noise has the deviation `noise` in
    normalised colours, as in pytorch-grad-cam, or in pixels in [0, 1], as in the authors' code; it is drawn once an image.
    """
    rankings: list[Ranking] = ["morf", "lerf"] if order == "combined" else [order]
    drawn_noise = case.once(("road noise", noise, space, seed), lambda: _draw_noise(case, noise, space, seed))
    images = [_impute(case, ranking, drawn_noise, threshold=threshold) for ranking in rankings]
    if read == "accuracy":
        scores, clean = (yield [IsTop1(image) for image in images]), 0.0
    else:
        clean, *scores = yield [Clean(), *images]
    means = dict(zip(rankings, np.reshape(scores, (len(rankings), -1)).mean(1) - clean, strict=True))
    return float((means["lerf"] - means["morf"]) / 2 if order == "combined" else means[order])


def _draw_noise(case: Case, sigma: float, space: Space, seed: int) -> Tensor:
    values = make_generator(case, seed).normal(0, sigma, case.image.shape).astype(np.float32)
    scale = np.array(STD if space == "normalised" else (1, 1, 1), dtype=np.float32)
    return move_to_device(torch.from_numpy(values * scale[:, None, None]), case.image.device)


def _impute(case: Case, ranking: Ranking, noise: Tensor, *, threshold: bool) -> ImputedSeries:
    """Describe the image with the first pixels of a ranking imputed, up to each percentile."""
    ascending = ranking == "lerf"
    if threshold:
        values = 1 - case.map if ascending else case.map
        limits = np.percentile(values, PERCENTILES[::-1])
        return ImputedSeries((), noise, ascending, thresholds=tuple(limits.tolist()))
    counts = (round(case.pixels * percentile / 100) for percentile in PERCENTILES)
    return ImputedSeries(tuple((0, count) for count in counts), noise, ascending)
