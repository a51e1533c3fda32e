"""Max-sensitivity: how far does the map move when the image hardly does? (Yeh et al., NeurIPS 2019, eq. 2)"""

import math
from typing import Annotated

import numpy as np
import torch
from pydantic import Field

from ..scoring.case import Case
from ._draws import draws

VERSION = 1
BETTER = "lower"
UNIT = "share of the map's norm"
RANGE = (0.0, math.inf)
SHORT = "sens"
FAMILY = "robustness"
CAVEAT = "A map that never changes (uniform, centre) is the most robust and explains nothing."
NEEDS = ("method",)

Radius = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def score(case: Case, *, radius: Radius = 0.02, samples: Count = 10, seed: int = 0) -> float:
    """max over d of ||M(x + d) - M(x)|| / ||M(x)||, d uniform in [-radius, radius] on pixels in [0, 1].

    The maps are as they are scored, fitted and stretched. Sampled as Captum does (ten times, .02; Quantus and LATEC take .2):
    a lower bound of the maximum. A constant map that stays as it is scores 0, one that does not 1. Costs `samples`
    explanations. Raises NotApplicable for a map without its method.
    """
    noise = draws(case, seed).uniform(-radius, radius, (samples, *case.image.shape)).astype(np.float32)
    moved = case.again.explain(case.image + torch.from_numpy(noise).to(case.image))
    size = float(np.linalg.norm(case.map))
    most = max(float(np.linalg.norm(one - case.map)) for one in moved)
    return most / size if size else float(most > 0)
