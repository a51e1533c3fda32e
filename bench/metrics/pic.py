"""PIC: class score against information as a blurred image gets sharp (SIC, AIC; Kapishnikov et al., ICCV 2019)."""

import io
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field
from scipy.interpolate import griddata

from ..core.errors import NotApplicable
from ..scoring.case import Asking, Case, Curve, Top1
from ..scoring.perturbations import Clean, Own
from ._draws import draws

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "pic"
FAMILY = "deletion and insertion"
CAVEAT = (
    "Information is measured by how well an image compresses, which differs between encoders; its curves are coarse."
)

THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)
SHOWN = 0.01  # share of the pixels that the blurred image is made of
POINTS = 1001  # of the curve

Least = Annotated[float, Field(ge=0, lt=1)]
Pixels = NDArray[np.float32]  # (h, w, 3) in [0, 1]


def score(case: Case, *, kind: Literal["sic", "aic"] = "sic", least: Least = 0.8, seed: int = 0) -> Asking[Curve]:
    """Area under the softmax score (sic), or whether the class is on top (aic), against the image's lossless WebP size.

    Both run from the image as interpolated from a random 1 % of its pixels and its corners, to the image itself, in [0, 1],
    and the score never falls from one threshold to the next. Raises NotApplicable where the authors leave the image out: a
    clean score below `least`, or a blurred image that scores no lower or is no smaller.
    """
    image = np.ascontiguousarray(case.image.permute(1, 2, 0).cpu().numpy())
    known = _known(case, seed)
    blurred = _blurred(image.tobytes(), known.tobytes(), case.map.shape)
    shown = [_revealed(image, blurred, known | _highest(case, share)) for share in THRESHOLDS]
    steps = [blurred, *shown]
    asked = [Own(torch.from_numpy(one).permute(2, 0, 1).to(case.image)) for one in steps]
    clean, *scores = yield [Clean(), *asked]
    sizes = [_size(one) for one in (*steps, image)]
    if clean < least:
        raise NotApplicable(f"the class explained scores less than {least:g} on the image")
    if sizes[0] >= sizes[-1] or scores[0] >= clean:
        raise NotApplicable("the blurred image scores no lower, or is no smaller, than the image")
    if kind == "aic":
        on_top = yield [Top1(one) for one in asked]
        heights = [0.0, *on_top[1:], 1.0]
    else:
        heights = [(one - scores[0]) / (clean - scores[0]) for one in (*scores, clean)]
    return _curve([(size - sizes[0]) / (sizes[-1] - sizes[0]) for size in sizes], heights)


def _curve(information: list[float], heights: list[float]) -> Curve:
    """Both cut to [0, 1], at evenly spaced points; the height never falls in the order of thresholds, as theirs."""
    x, y = np.clip(information, 0, 1), np.maximum.accumulate(np.clip(heights, 0, 1))
    order = np.argsort(x, kind="stable")
    at = np.linspace(0, 1, POINTS)
    return Curve(at.tolist(), np.interp(at, x[order], y[order]).tolist())


def _known(case: Case, seed: int) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = draws(case, seed).random(case.map.shape) < SHOWN
    for y in (0, -1):
        known[y, [0, -1]] = True
    return known


@lru_cache(maxsize=2)  # the same for every method's map of an image
def _blurred(pixels: bytes, known: bytes, size: tuple[int, int]) -> Pixels:
    """The image interpolated linearly between its known pixels; the corners being known, nothing is left over."""
    image = np.frombuffer(pixels, dtype=np.float32).reshape(*size, 3)
    where = np.argwhere(np.frombuffer(known, dtype=bool).reshape(size))
    everywhere = np.indices(size).reshape(2, -1).T
    found = griddata(where, image[where[:, 0], where[:, 1]], everywhere, "linear", fill_value=0.5)
    blurred: Pixels = found.reshape(*size, 3).astype(np.float32).clip(0, 1)
    return blurred


def _highest(case: Case, share: float) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = case.map >= np.quantile(case.map, 1 - share)
    return mask


def _revealed(image: Pixels, blurred: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    return np.where(mask[..., None], image, blurred)


def _size(image: Pixels) -> int:
    """Bytes of the image as lossless WebP: its information, the authors' estimate."""
    buffer = io.BytesIO()
    Image.fromarray((image * 255).round().astype(np.uint8)).save(buffer, "WEBP", lossless=True)
    return len(buffer.getvalue())
