"""Infidelity: does the map predict how much score a perturbation costs? (Yeh et al., NeurIPS 2019, eq. 1)"""

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.constraints import Count, Positive
from ..forward.device import move_to_device
from ..scoring.case import Asking, Case, Question
from ..scoring.perturbations import Clean, CustomSeries, Fill, InsideSeries
from ._draws import make_generator

FloatArray = NDArray[np.float64]

VERSION = 2
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
    fill: Fill = "mean",
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
        images, sums = _remove_squares(case, samples, fill, seed)
    else:
        images, sums = _subtract_noise(case, samples, sigma, seed)
    clean, *scores = yield [Clean(), images]
    drops = clean - np.array(scores)
    power = float((sums**2).mean())
    beta = float((sums * drops).mean()) / power if power else 0.0
    return float(((beta * sums - drops) ** 2).mean())


def _remove_squares(case: Case, samples: int, fill: Fill, seed: int) -> tuple[Question, FloatArray]:
    """Return the image without each of some squares, and the sums of the map over the squares."""
    images = case.once(("infidelity squares", samples, fill, seed), lambda: _draw_squares(case, samples, fill, seed))
    sums = np.einsum("nhw,hw->n", ~images.masks, case.map, dtype=np.float64)
    return images, sums


def _draw_squares(case: Case, samples: int, fill: Fill, seed: int) -> InsideSeries:
    rng, (height, width) = make_generator(case, seed), case.size
    masks = np.ones((samples, height, width), dtype=bool)
    for mask in masks:
        side = max(1, round(int(rng.integers(1, 11)) / 28 * min(height, width)))
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        mask[y : y + side, x : x + side] = False
    return InsideSeries(masks, fill)


def _subtract_noise(case: Case, samples: int, sigma: float, seed: int) -> tuple[Question, FloatArray]:
    """Return the image minus each of some noises, and the products of the map and the noise, summed over colours."""
    noise, images = case.once(
        ("infidelity noise", samples, sigma, seed), lambda: _draw_noise(case, samples, sigma, seed)
    )
    return images, np.einsum("nhw,hw->n", noise, case.map)


def _draw_noise(case: Case, samples: int, sigma: float, seed: int) -> tuple[FloatArray, CustomSeries]:
    """Draw noises, and return their sums over colours (samples, h, w) and the image minus each."""
    noise = make_generator(case, seed).normal(0, sigma, (samples, *case.image.shape)).astype(np.float32)
    moved = move_to_device(torch.from_numpy(noise), case.image.device)
    return noise.sum(1, dtype=np.float64), CustomSeries(case.image - moved)
