"""PIC: area under the class score as a blurred image is sharpened, by its information (SIC, AIC; Kapishnikov et al., 2019)."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import griddata

from ..core.constraints import ShareBelowOne
from ..core.errors import NotApplicable
from ..scoring.case import Asking, Case, Curve, FloatMap, IsTop1
from ..scoring.perturbations import Clean, CustomSeries
from ._draws import make_generator

VERSION = 2
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

_COMPRESSION = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="compression")


def score(
    case: Case, *, kind: Literal["sic", "aic"] = "sic", least: ShareBelowOne = 0.8, seed: int = 0
) -> Asking[Curve]:
    """Return the area under the curve of score against information, both in [0, 1]; higher is better.

    Information is the size of the image as lossless WebP. The score is the probability (sic), or 1 if the target is the top
    class (aic). Both axes run from the blurred image, interpolated from a random 1 % of the pixels and the corners, to the
    image itself, as pixels above 13 thresholds of the map are sharpened; the score never falls from one threshold to the
    next. Raise NotApplicable if the authors leave the image out: if its score is below `least`, or if the blurred image
    does not score lower or does not compress better.
    """
    (clean,) = yield [Clean()]
    if clean < least:
        raise NotApplicable(f"the target scores less than {least:g} on the image")
    blur = case.once(("pic blur", seed), lambda: _blur_image(case, seed))
    sharpened = [
        np.where((blur.known | mask)[..., None], blur.image, blur.blurred) for mask in _select_highest(case.map)
    ]
    information = [_COMPRESSION.submit(_measure_information, step) for step in sharpened]  # beside the forward passes
    steps = torch.from_numpy(np.stack([blur.blurred, *sharpened])).permute(0, 3, 1, 2)
    images = CustomSeries(steps.to(case.image))
    scores = yield [images]
    if blur.sizes[0] >= blur.sizes[1] or scores[0] >= clean:
        raise NotApplicable("the blurred image does not score lower, or does not compress better, than the image")
    sizes = [blur.sizes[0], *(size.result() for size in information), blur.sizes[1]]
    if kind == "aic":
        on_top = yield [IsTop1(images)]
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


@dataclass(frozen=True)
class _Blur:
    """An image, its version interpolated from a few known pixels, and the bytes of the two: the same for every map."""

    image: Pixels
    known: NDArray[np.bool_]
    blurred: Pixels
    sizes: tuple[int, int]  # of the blurred image and of the image


def _blur_image(case: Case, seed: int) -> _Blur:
    image = np.ascontiguousarray(case.image.permute(1, 2, 0).cpu().numpy())
    known = _draw_known(case, seed)
    blurred = _interpolate(image, known)
    return _Blur(image, known, blurred, (_measure_information(blurred), _measure_information(image)))


def _draw_known(case: Case, seed: int) -> NDArray[np.bool_]:
    """Draw the pixels (h, w) of the blurred image that are the image's: a random share, and the corners."""
    known: NDArray[np.bool_] = make_generator(case, seed).random(case.map.shape) < KNOWN
    for y in (0, -1):
        known[y, [0, -1]] = True
    return known


def _interpolate(image: Pixels, known: NDArray[np.bool_]) -> Pixels:
    """Interpolate the image linearly between its known pixels; they include the corners, so that no pixel is outside."""
    positions = np.argwhere(known)
    grid = np.indices(known.shape).reshape(2, -1).T
    colours = griddata(positions, image[positions[:, 0], positions[:, 1]], grid, "linear", fill_value=0.5)
    blurred: Pixels = colours.reshape(image.shape).astype(np.float32).clip(0, 1)
    return blurred


def _select_highest(map: FloatMap) -> NDArray[np.bool_]:
    """Return the pixels (13, h, w) at or above each of the thresholds."""
    limits = np.quantile(map, [1 - share for share in THRESHOLDS])
    mask: NDArray[np.bool_] = map >= limits[:, None, None]
    return mask


def _measure_information(image: Pixels) -> int:
    """Return the bytes of the image as lossless WebP: the authors' estimate of its information."""
    buffer = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(buffer, "WEBP", lossless=True)
    return len(buffer.getvalue())
