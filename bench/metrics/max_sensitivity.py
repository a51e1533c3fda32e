"""Max-sensitivity: how much does the map change when the image hardly changes? (Yeh et al., NeurIPS 2019, eq. 2)"""

import math

import numpy as np
import torch
from torch import Tensor

from ..core.constraints import Count, Positive
from ..forward.device import move_to_device, widen
from ..scoring.case import Asking, Case, MapOf, MapValue
from ..scoring.perturbations import CustomSeries
from ._draws import make_generator

VERSION = 2
BETTER = "lower"
UNIT = "share of the map's norm"
RANGE = (0.0, math.inf)
SHORT = "sens"
FAMILY = "robustness"
CAVEAT = "A map that never changes (uniform, centre) is the most robust one and explains nothing."
NEEDS = ("method",)


def score(case: Case, *, radius: Positive = 0.02, samples: Count = 10, seed: int = 0) -> Asking[float]:
    """Return max_d ||M(x + d) - M(x)|| / ||M(x)||, from 0 up; lower is better.

    d is uniform in [-radius, radius] on pixels in [0, 1], drawn `samples` times, which gives a lower bound of the maximum. The
    defaults are Captum's; Quantus and LATEC take a radius of 0.2. The maps are fitted and stretched as for every metric. A
    constant map has the value 0 if it stays constant, else 1. It costs `samples` explanations. Raise NotApplicable if only the
    map, not its method, is given.
    """
    noisy = case.once(("noisy", radius, samples, seed), lambda: _add_noise(case, radius, samples, seed))
    norm, *distances = yield [MapValue(compute_norm), MapValue(compute_distance, other=MapOf(noisy))]
    largest = max(distances)
    return largest / norm if norm else float(largest > 0)


def compute_norm(maps: Tensor) -> Tensor:
    """Return the Euclidean norm (n,) of maps (n, h, w)."""
    return torch.linalg.vector_norm(widen(maps.flatten(1)), dim=1)


def compute_distance(maps: Tensor, others: Tensor) -> Tensor:
    """Return the Euclidean norm (n,) of the difference of maps (n, h, w) and others."""
    return compute_norm(widen(others) - widen(maps))


def _add_noise(case: Case, radius: float, samples: int, seed: int) -> CustomSeries:
    noise = make_generator(case, seed).uniform(-radius, radius, (samples, *case.image.shape)).astype(np.float32)
    return CustomSeries(case.image + move_to_device(torch.from_numpy(noise), case.image.device))
