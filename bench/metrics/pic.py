"""PIC: area under the class score as a blurred image is sharpened, by its information (SIC, AIC; Kapishnikov et al., 2019)."""

import io
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import griddata

from ..core.constraints import ShareBelowOne
from ..core.errors import NotApplicable
from ..scoring.case import Asking, Case, Curve, IsTop1
from ..scoring.perturbations import Clean, Custom
from ._draws import make_generator

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "pic"
FAMILY = "deletion and insertion"
CAVEAT = "Information is measured by compression, which differs between encoders; the curves are coarse."

THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
KNOWN = 0.01  # share of the pixels that the blurred image is interpolated from
POINTS = 1001  # of the curve

Pixels = NDArray[np.float32]  # (h, w, 3) in [0, 1]


def score(
    case: Case, *, kind: Literal["sic", "aic"] = "sic", least: ShareBelowOne = 0.8, seed: int = 0
) -> Asking[Curve]:
    """Return the area under the curve of score against information, both in [0, 1]; higher is better.

    Information is the size of the image as lossless WebP. The score is the softmax score (sic), or 1 if the target is the top
    class (aic). Both axes run from the blurred image, interpolated from a random 1 % of the pixels and the corners, to the
    image itself, as pixels above 13 thresholds of the map are sharpened; the score never falls from one threshold to the
    next. Raise NotApplicable if the authors leave the image out: if its score is below `least`, or if the blurred image
    does not score lower or does not compress better.
    """
    image = np.ascontiguousarray(case.image.permute(1, 2, 0).cpu().numpy())
    known = _draw_known(case, seed)
    blurred = _interpolate(image.tobytes(), known.tobytes(), case.map.shape)
    sharpened = [_sharpen(image, blurred, known | _select_highest(case, share)) for share in THRESHOLDS]
    steps = [blurred, *sharpened]
    questions = [Custom(torch.from_numpy(step).permute(2, 0, 1).to(case.image)) for step in steps]
    clean, *scores = yield [Clean(), *questions]
    sizes = [_measure_information(step) for step in (*steps, image)]
    if clean < least:
        raise NotApplicable(f"the target scores less than {least:g} on the image")
    if sizes[0] >= sizes[-1] or scores[0] >= clean:
        raise NotApplicable("the blurred image does not score lower, or does not compress better, than the image")
    if kind == "aic":
        on_top = yield [IsTop1(question) for question in questions]
        heights = [0.0, *on_top[1:], 1.0]
    else:
        heights = [(score - scores[0]) / (clean - scores[0]) for score in (*scores, clean)]
    return _make_curve([(size - sizes[0]) / (sizes[-1] - sizes[0]) for size in sizes], heights)


def _make_curve(information: list[float], heights: list[float]) -> Curve:
    """Make the curve at evenly spaced points, both axes clipped to [0, 1]; heights never fall with the threshold."""
    x, y = np.clip(information, 0, 1), np.maximum.accumulate(np.clip(heights, 0, 1))
    order = np.argsort(x, kind="stable")
    points = np.linspace(0, 1, POINTS)
    return Curve(points.tolist(), np.interp(points, x[order], y[order]).tolist())


def _draw_known(case: Case, seed: int) -> NDArray[np.bool_]:
    """Draw the pixels (h, w) of the blurred image that are the image's: a random share, and the corners."""
    known: NDArray[np.bool_] = make_generator(case, seed).random(case.map.shape) < KNOWN
    for y in (0, -1):
        known[y, [0, -1]] = True
    return known


@lru_cache(maxsize=2)  # the same for every method's map of an image
def _interpolate(pixels: bytes, known: bytes, size: tuple[int, int]) -> Pixels:
    """Interpolate the image linearly between its known pixels; they include the corners, so that no pixel is outside."""
    image = np.frombuffer(pixels, dtype=np.float32).reshape(*size, 3)
    positions = np.argwhere(np.frombuffer(known, dtype=bool).reshape(size))
    grid = np.indices(size).reshape(2, -1).T
    colours = griddata(positions, image[positions[:, 0], positions[:, 1]], grid, "linear", fill_value=0.5)
    blurred: Pixels = colours.reshape(*size, 3).astype(np.float32).clip(0, 1)
    return blurred


def _select_highest(case: Case, share: float) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = case.map >= np.quantile(case.map, 1 - share)
    return mask


def _sharpen(image: Pixels, blurred: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    return np.where(mask[..., None], image, blurred)


def _measure_information(image: Pixels) -> int:
    """Return the bytes of the image as lossless WebP: the authors' estimate of its information."""
    buffer = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(buffer, "WEBP", lossless=True)
    return len(buffer.getvalue())
