"""IROF: how much of the score is gone while superpixels leave the image, the highest first? (Rieger & Hansen, 2020)"""

from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from skimage.segmentation import slic

from ..scoring.case import Asking, Case, Curve, Question
from ..scoring.perturbations import Clean, Kept, Shown, Substrate

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "irof"
FAMILY = "deletion and insertion"
CAVEAT = "It depends on how the image is cut into superpixels, which are few; a filled superpixel is nothing the net has seen."

Count = Annotated[int, Field(ge=2)]


def score(case: Case, *, segments: Count = 100, substrate: Substrate = "mean") -> Asking[Curve]:
    """Area over the curve of f(x_k) / f(x_0), cut at 1, against the share of superpixels gone (SLIC, about so many).

    Superpixels go by the mean of the map in them, equals in SLIC's order. Of a score of 0 nothing can be lost: 0.
    """
    parts = superpixels(case.image.permute(1, 2, 0).cpu().numpy().tobytes(), case.map.shape, segments)
    count = int(parts.max()) + 1
    means = np.bincount(parts.ravel(), case.map.ravel()) / np.bincount(parts.ravel())
    place = np.empty(count, dtype=np.int64)
    place[np.argsort(-means, kind="stable")] = np.arange(count)
    rank = place[parts]
    gone: list[Question] = [Shown(rank >= k, substrate) for k in range(1, count)]
    clean, *scores = yield [Clean(), *gone, Kept(0, 0, substrate)]
    kept = [min(one / clean, 1.0) if clean else 1.0 for one in (clean, *scores)]
    shares = [k / count for k in range(count + 1)]
    return Curve(shares, kept, value=1 - Curve(shares, kept).area)


@lru_cache(maxsize=2)  # the same for every method's map of an image
def superpixels(pixels: bytes, size: tuple[int, int], segments: int) -> NDArray[np.int64]:
    """The number, from 0, of the superpixel that each pixel (h, w) is of; `pixels` are RGB in [0, 1], float32."""
    image = np.frombuffer(pixels, dtype=np.float32).reshape(*size, 3)
    parts = slic(image, n_segments=segments, start_label=0)
    _, numbered = np.unique(parts, return_inverse=True)
    return numbered.reshape(size)
