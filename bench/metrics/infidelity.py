"""Infidelity: does the map predict how much score a perturbation costs? (Yeh et al., NeurIPS 2019, eq. 1)"""

import math
from typing import Literal

import numpy as np
import torch

from ..core.constraints import Count, Positive
from ..scoring.case import Asking, Case, Question
from ..scoring.perturbations import Clean, Custom, Inside, Substrate
from ._draws import make_generator

VERSION = 1
BETTER = "lower"
UNIT = "squared probability"
RANGE = (0.0, math.inf)
SHORT = "infid"
FAMILY = "perturbation"
CAVEAT = "It depends on the scale of the noise and of the score: compare only values with the same settings."


def score(
    case: Case,
    *,
    kind: Literal["square", "gaussian"] = "square",
    samples: Count = 50,
    substrate: Substrate = "mean",
    sigma: Positive = 0.2,
    seed: int = 0,
) -> Asking[float]:
    """Return E[(beta s - d)^2] over perturbations I, from 0 up; lower is better.

    d is the score lost to I, s = I^T M the map's sum over it, and beta = E[s d] / E[s^2] the optimal scaling; a CAM's scale
    has no meaning, so it is always fitted. `square` removes a random square of 1/28 to 10/28 of the shorter side, as the
    authors do on 28 pixels: s is the sum of the map in it. `gaussian` subtracts noise from pixels in [0, 1]: s is the product
    of the map and the noise, summed over colours. If every s is 0, beta is 0.
    """
    if kind == "square":
        images, sums = _remove_squares(case, samples, substrate, seed)
    else:
        images, sums = _subtract_noise(case, samples, sigma, seed)
    clean, *scores = yield [Clean(), *images]
    drops = clean - np.array(scores)
    power = float((sums**2).mean())
    beta = float((sums * drops).mean()) / power if power else 0.0
    return float(((beta * sums - drops) ** 2).mean())


def _remove_squares(case: Case, samples: int, substrate: Substrate, seed: int) -> tuple[list[Question], np.ndarray]:
    rng, (height, width) = make_generator(case, seed), case.map.shape
    images: list[Question] = []
    sums = []
    for _ in range(samples):
        side = max(1, round(int(rng.integers(1, 11)) / 28 * min(height, width)))
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        mask = np.ones((height, width), dtype=bool)
        mask[y : y + side, x : x + side] = False
        images.append(Inside(mask, substrate))
        sums.append(float(case.map[~mask].sum(dtype=np.float64)))
    return images, np.array(sums)


def _subtract_noise(case: Case, samples: int, sigma: float, seed: int) -> tuple[list[Question], np.ndarray]:
    noise = make_generator(case, seed).normal(0, sigma, (samples, *case.image.shape)).astype(np.float32)
    images: list[Question] = [Custom(case.image - torch.from_numpy(sample).to(case.image)) for sample in noise]
    return images, np.einsum("nchw,hw->n", noise.astype(np.float64), case.map)
