"""ROAD: the score while pixels are made up from their neighbours, the map's highest or lowest first (Rong et al., ICML 2022)"""

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..data.types import STD, Mask
from ..scoring.blend import ranks
from ..scoring.case import Asking, Case, Top1
from ..scoring.impute import impute
from ..scoring.perturbations import Clean, Own
from ._draws import draws

VERSION = 1
BETTER = {"order": {"combined": "higher", "lerf": "higher", "morf": "lower"}}
UNIT = "share"
RANGE = (-1.0, 1.0)
SHORT = "road"
FAMILY = "deletion and insertion"
CAVEAT = "Its fill hides the shape of what was taken out, but is smooth where the image was not: less off the data, not on it."

Way = Literal["morf", "lerf"]
Order = Literal["combined", "morf", "lerf"]
Space = Literal["normalised", "pixels"]
Noise = Annotated[float, Field(ge=0)]

PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90)


def score(
    case: Case,
    *,
    order: Order = "combined",
    read: Literal["confidence", "accuracy"] = "confidence",
    threshold: bool = False,
    noise: Noise = 0.01,
    space: Space = "normalised",
    seed: int = 0,
) -> Asking[float]:
    """The mean over 10, 20, ..., 90 % of the pixels made up: linear imputation with noise.

    `morf` makes the highest pixels up first, `lerf` the lowest; `combined` is half of what lerf leaves above morf, in
    [-.5, .5]. `confidence` reads how the softmax score changes (pytorch-grad-cam's), `accuracy` whether the class is still on
    top (the authors'). Equals go in reading order; with `threshold`, as in pytorch-grad-cam, all pixels from a percentile on
    go together, so that a map with many zeros loses every pixel. The noise is of normalised colours, as there, or of pixels
    in [0, 1], as the authors', and drawn once an image.
    """
    ways: list[Way] = ["morf", "lerf"] if order == "combined" else [order]
    images = _made_up(case, ways, _noise(case, noise, space, seed), threshold=threshold)
    if read == "accuracy":
        scores, clean = (yield [Top1(image) for image in images]), 0.0
    else:
        clean, *scores = yield [Clean(), *images]
    means = dict(zip(ways, np.reshape(scores, (len(ways), -1)).mean(1) - clean, strict=True))
    return float((means["lerf"] - means["morf"]) / 2 if order == "combined" else means[order])


def _noise(case: Case, sigma: float, space: Space, seed: int) -> Tensor:
    drawn = draws(case, seed).normal(0, sigma, case.image.shape).astype(np.float32)
    scale = np.array(STD if space == "normalised" else (1, 1, 1), dtype=np.float32)
    return torch.from_numpy(drawn * scale[:, None, None]).to(case.image)


def _made_up(case: Case, ways: list[Way], noise: Tensor, *, threshold: bool) -> list[Own]:
    missing = np.stack([mask for way in ways for mask in _missing(case, way, threshold=threshold)])
    gone = torch.from_numpy(missing).to(case.image.device)
    images = impute(case.image, gone) + noise * gone[:, None]
    return [Own(image) for image in images]


def _missing(case: Case, way: Way, *, threshold: bool) -> list[Mask]:
    """The pixels (h, w) that are made up at each percentile."""
    if threshold:
        values = case.map if way == "morf" else 1 - case.map
        return [values >= np.percentile(values, percentile) for percentile in reversed(PERCENTILES)]
    map_ = torch.from_numpy(case.map.copy())[None]
    rank = ranks(map_ if way == "morf" else -map_)[0].numpy()
    counts = [round(case.pixels * percentile / 100) for percentile in PERCENTILES]
    return [rank < count for count in counts]
