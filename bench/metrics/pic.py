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
from ..forward.device import move_to_device
from ..scoring.case import Asking, Case, Curve, FloatMap, IsTop1, Question
from ..scoring.perturbations import Clean, CustomSeries
from ._draws import make_generator

VERSION = 3
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "pic"
AXES = ("share of the image's information", "score of the target")
FAMILY = "deletion and insertion"
CAVEAT = "Information is measured by compression, which differs between encoders; the curves are coarse."

THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
KNOWN = 0.01  # share of the pixels that the blurred image is interpolated from
POINTS = 1001  # of the curve

Kind = Literal["sic", "aic"]
Pixels = NDArray[np.uint8]  # (h, w, 3)
Mask = NDArray[np.bool_]  # (h, w)

_WORKERS = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="pic")


def score(
    case: Case,
    *,
    kind: Kind = "sic",
    sharpen: Literal["interpolate", "paste"] = "interpolate",
    least: ShareBelowOne = 0.8,
    seed: int = 0,
) -> Asking[Curve]:
    """Return the area under the curve of score against information, both in [0, 1]; higher is better.

    Information is the size of the image as lossless WebP. The score is the probability (sic), or 1 if the target is the top
    class (aic). Both axes run from the blurred image, interpolated from a random 1 % of the pixels and the corners, to the
    image itself, as the pixels above 13 thresholds of the map become known; the score never falls from one threshold to the
    next. At each threshold the other pixels are interpolated anew from all known ones, as in the authors' code; with
    sharpen=paste they keep the colours of the blurred image, which is faster. A map takes about 5.5 s of one core at 224 pixels
    and 1.2 s at 112; with sharpen=paste, a third of it or less. Raise NotApplicable if the authors leave the image out: if it
    scores below `least` (sic) or is not of the target class (aic), or if the blurred image does not score lower or does not
    compress better.
    """
    (clean,) = yield [_ask(Clean(), kind)]
    if clean < (least if kind == "sic" else 1):
        unsure = f"scores less than {least:g} on" if kind == "sic" else "is not the top class of"
        raise NotApplicable(f"the target {unsure} the image")
    blur = case.once(("pic blur", seed), lambda: _blur_image(case, seed))
    if blur.sizes[0] >= blur.sizes[1]:
        raise NotApplicable("the blurred image does not compress better than the image")
    fill = blur.interpolate if sharpen == "interpolate" else blur.paste
    sharpened = list(_WORKERS.map(fill, _select_highest(case.map)))
    information = [_WORKERS.submit(_measure_information, step) for step in sharpened]  # beside the forward passes
    steps = move_to_device(torch.from_numpy(np.stack([blur.blurred, *sharpened])), case.image.device)
    scores = yield [_ask(CustomSeries(steps.permute(0, 3, 1, 2).to(case.image.dtype) / 255), kind)]
    if scores[0] >= clean:
        raise NotApplicable("the blurred image does not score lower than the image")
    gains = [size.result() - blur.sizes[0] for size in information]
    heights = [(score - scores[0]) / (clean - scores[0]) for score in scores[1:]]
    return _make_curve([gain / (blur.sizes[1] - blur.sizes[0]) for gain in gains], heights)


def _ask(image: Clean | CustomSeries, kind: Kind) -> Question:
    return image if kind == "sic" else IsTop1(image)


def _make_curve(information: list[float], heights: list[float]) -> Curve:
    """Make the curve at evenly spaced points, both axes clipped to [0, 1]; heights never fall with the threshold.

    It begins at (0, 0) and ends at (1, 1). At equal information the point of the higher threshold counts, except that (0, 0)
    and (1, 1) win over all others, as in the authors' code.
    """
    x = np.array([*np.clip(information, 0, 1), 0.0, 1.0])
    y = np.array([*np.maximum.accumulate(np.clip(heights, 0, 1)), 0.0, 1.0])
    order = np.argsort(x, kind="stable")
    points = np.linspace(0, 1, POINTS)
    return Curve(points.tolist(), np.interp(points, x[order], y[order]).tolist())


@dataclass(frozen=True)
class _Blur:
    """An image, its version interpolated from a few known pixels, and the bytes of the two: the same for every map."""

    image: Pixels
    known: Mask
    blurred: Pixels
    sizes: tuple[int, int]  # of the blurred image and of the image

    def interpolate(self, shown: Mask) -> Pixels:
        """Return the image interpolated from its known and its shown pixels."""
        return _interpolate(self.image, self.known | shown)

    def paste(self, shown: Mask) -> Pixels:
        """Return the blurred image with the shown pixels of the image."""
        return np.where((self.known | shown)[..., None], self.image, self.blurred)


def _blur_image(case: Case, seed: int) -> _Blur:
    image = (case.image.permute(1, 2, 0).cpu().numpy() * 255).round().astype(np.uint8)
    known = _draw_known(case, seed)
    blurred = _interpolate(image, known)
    return _Blur(image, known, blurred, (_measure_information(blurred), _measure_information(image)))


def _draw_known(case: Case, seed: int) -> Mask:
    """Draw the pixels (h, w) of the blurred image that are the image's: a random share, and the corners."""
    drawn = np.zeros(case.pixels, dtype=bool)
    drawn[make_generator(case, seed).choice(case.pixels, int(case.pixels * KNOWN), replace=False)] = True
    known: Mask = drawn.reshape(case.size)
    for y in (0, -1):
        known[y, [0, -1]] = True
    return known


def _interpolate(image: Pixels, known: Mask) -> Pixels:
    """Interpolate the image linearly between its known pixels; they include the corners, so that no pixel is outside."""
    filled = image.copy()
    if not known.all():
        positions, missing = np.argwhere(known), np.argwhere(~known)
        colours = griddata(positions, image[known], missing, "linear", fill_value=image.mean())
        filled[~known] = colours.astype(np.float32).round()  # as the authors round
    return filled


def _select_highest(map: FloatMap) -> NDArray[np.bool_]:
    """Return the pixels (13, h, w) at or above each of the thresholds."""
    limits = np.quantile(map, [1 - share for share in THRESHOLDS])
    mask: NDArray[np.bool_] = map >= limits[:, None, None]
    return mask


def _measure_information(image: Pixels) -> int:
    """Return the bytes of the image as lossless WebP: the authors' estimate of its information."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "WEBP", lossless=True, quality=100)
    return len(buffer.getvalue())
