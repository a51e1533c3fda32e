"""Infidelity: does the map's sum over what is taken out foretell what the score loses? (Yeh et al., NeurIPS 2019, eq. 1)"""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from ..scoring.case import Asking, Case, Question
from ..scoring.perturbations import Clean, Own, Shown, Substrate
from ._draws import draws

VERSION = 1
BETTER = "lower"
UNIT = "squared probability"
RANGE = (0.0, math.inf)
SHORT = "infid"
FAMILY = "perturbation"
CAVEAT = "It depends on the scale of the map and of the noise: compare only numbers of one setting."

Count = Annotated[int, Field(ge=1)]
Sigma = Annotated[float, Field(gt=0)]


def score(
    case: Case,
    *,
    kind: Literal["square", "gaussian"] = "square",
    samples: Count = 50,
    substrate: Substrate = "mean",
    sigma: Sigma = 0.2,
    seed: int = 0,
) -> Asking[float]:
    """E[(beta s - d)^2]: d the score lost to a perturbation I, s = I^T M, beta = E[s d] / E[s^2] (optimal scaling).

    `square` takes out a random square of 1/28 to 10/28 of the shorter side, as on the authors' 28 pixels: s is the sum of the
    map in it. `gaussian` takes noise off the pixels in [0, 1]: s is the map's product with its sum over colours. A CAM's
    scale means nothing, so it is always fitted; a map without any s foretells that nothing is lost.
    """
    images, sums = _squares(case, samples, substrate, seed) if kind == "square" else _noise(case, samples, sigma, seed)
    clean, *without = yield [Clean(), *images]
    lost = clean - np.array(without)
    power = float((sums**2).mean())
    beta = float((sums * lost).mean()) / power if power else 0.0
    return float(((beta * sums - lost) ** 2).mean())


def _squares(case: Case, samples: int, substrate: Substrate, seed: int) -> tuple[list[Question], np.ndarray]:
    dice, (height, width) = draws(case, seed), case.map.shape
    images: list[Question] = []
    sums = []
    for _ in range(samples):
        side = max(1, round(int(dice.integers(1, 11)) / 28 * min(height, width)))
        y, x = int(dice.integers(height - side + 1)), int(dice.integers(width - side + 1))
        shown = np.ones((height, width), dtype=bool)
        shown[y : y + side, x : x + side] = False
        images.append(Shown(shown, substrate))
        sums.append(float(case.map[~shown].sum(dtype=np.float64)))
    return images, np.array(sums)


def _noise(case: Case, samples: int, sigma: float, seed: int) -> tuple[list[Question], np.ndarray]:
    noise = draws(case, seed).normal(0, sigma, (samples, *case.image.shape)).astype(np.float32)
    images: list[Question] = [Own(case.image - torch.from_numpy(one).to(case.image)) for one in noise]
    return images, np.einsum("nchw,hw->n", noise.astype(np.float64), case.map)
