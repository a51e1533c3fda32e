"""Max-sensitivity: how far the map moves, at most, when the image is changed by a hair (Yeh et al., NeurIPS 2019)."""

from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..case import Case, Steps
from ..draws import Seed, drawn, once

VERSION = 1
BETTER = "lower"
UNIT = "of the map's norm"
RANGE = (0.0, float("inf"))
SHORT = "sensit"
NEEDS: tuple[str, ...] = ("method",)

Radius = Annotated[float, Field(gt=0, le=1)]


def score(case: Case, *, radius: Radius = 0.02, samples: Steps = 10, seed: Seed = 0) -> float:
    """The largest norm of the maps' difference over that of the map, over images with uniform noise within the radius.

    Noise is on images in [0, 1] and keeps them there; Captum's default of .02 is of its normalised input, Quantus, Opti-CAM
    and LATEC take .2. A constant map counts 0 if it stays so, else 1. Raises NotApplicable without the method.
    """
    maps = case.again.explain(_noisy(case.image, radius, samples, seed))
    own = float(np.linalg.norm(case.map.astype(np.float64)))
    if own == 0:
        return float(maps.any())
    return float(np.linalg.norm((maps - case.map).astype(np.float64), axis=(1, 2)).max()) / own


@once
def _noisy(image: Tensor, radius: float, samples: int, seed: int) -> Tensor:
    noise = drawn(image, seed).uniform(-radius, radius, (samples, *image.shape)).astype(np.float32)
    return (image + torch.from_numpy(noise).to(image)).clamp(0, 1)
