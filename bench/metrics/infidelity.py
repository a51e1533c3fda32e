"""Infidelity: how far the map is from telling what a change of the image does to the score (Yeh et al., NeurIPS 2019)."""

from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ..case import Asking, Case, Steps
from ..draws import Seed, drawn, once
from ..perturb import Clean, Own, Perturbed, Shown, Substrate, substrate

VERSION = 1
BETTER = "lower"
UNIT = "squared score"
RANGE = (0.0, 1.0)
SHORT = "infidel"
SIDES, OF = range(1, 11), 28  # of the authors' squares, on their images of 28 x 28

Kind = Literal["square", "gaussian", "baseline"]
Noise = Annotated[float, Field(gt=0)]


def score(
    case: Case,
    *,
    kind: Kind = "square",
    samples: Steps = 50,
    noise: Noise = 0.2,
    fill: Substrate = "black",
    seed: Seed = 0,
) -> Asking[float]:
    """The mean of (b s - d)^2, where a change I takes d from the score, s = sum of I times the map, b = mean of d s / s^2.

    square: I takes what a random square shows beyond the fill; its side is 1 to 10 of 28 parts of the image's, any place and
    side alike. gaussian: noise of that deviation. baseline: all of the image, but for such noise (both kept within [0, 1]).
    The map counts alike for all colours. A constant map tells nothing: s = 0, and the mean of d^2 is left.
    """
    changes, questions = _asked(case.image, kind, samples, noise, fill, seed)
    clean, *scores = yield [Clean(), *questions]
    told, lost = changes @ case.map.ravel().astype(np.float64), clean - np.array(scores)
    scale = float(told @ lost / (told @ told)) if told.any() else 0.0
    return float(np.mean((scale * told - lost) ** 2))


@once
def _asked(
    image: Tensor, kind: Kind, samples: int, noise: float, fill: Substrate, seed: int
) -> tuple[NDArray[np.float32], list[Perturbed]]:
    """The changes, added over colours (samples, h * w), and the changed images."""
    random, size = drawn(image, seed), (image.shape[1], image.shape[2])
    if kind == "square":
        squares = _squares(random, size, samples)
        beyond = (image - substrate(image, fill)).sum(0).cpu().numpy()
        return (squares * beyond).reshape(samples, -1), [Shown(~square, fill) for square in squares]
    drawn_noise = random.standard_normal((samples, 3, *size), dtype=np.float32)
    normal = torch.from_numpy(drawn_noise).to(image) * noise
    changed = ((image if kind == "gaussian" else 0) + normal).clamp(0, 1)
    changes = (image - changed).sum(1).flatten(1).cpu().numpy()
    return changes, [Own(one) for one in changed]


def _squares(random: np.random.Generator, size: tuple[int, int], samples: int) -> NDArray[np.bool_]:
    """Masks (samples, h, w) of squares, drawn from all places of all sides."""
    sides = [max(1, round(side * min(size) / OF)) for side in SIDES]
    places = np.array([(size[0] - side + 1) * (size[1] - side + 1) for side in sides])
    masks = np.zeros((samples, *size), dtype=bool)
    for mask, side in zip(masks, random.choice(sides, samples, p=places / places.sum()), strict=True):
        y, x = random.integers(size[0] - side + 1), random.integers(size[1] - side + 1)
        mask[y : y + side, x : x + side] = True
    return masks
