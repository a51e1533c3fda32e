"""IROF: area over the score curve as superpixels are removed, most salient first (Rieger and Hansen, 2020)."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import slic

from ..core.constraints import CountFromTwo
from ..scoring.case import Asking, Case, Curve, Question
from ..scoring.perturbations import Clean, Inside, Kept, Substrate

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "irof"
FAMILY = "deletion and insertion"
CAVEAT = "It depends on the cut into superpixels, which are few; filled superpixels are unlike the training images."


def score(case: Case, *, segments: CountFromTwo = 100, substrate: Substrate = "mean") -> Asking[Curve]:
    """Return 1 - the area under min(1, f(x_k) / f(x_0)) against the share of superpixels removed, in [0, 1]; higher is better.

    x_k is the image without its k superpixels of highest mean map; SLIC makes about `segments` of them. Equal superpixels are
    removed in SLIC's order. The value is 0 if the image's score f(x_0) is 0.
    """
    labels = find_superpixels(case.image.permute(1, 2, 0).cpu().numpy().tobytes(), case.map.shape, segments)
    count = int(labels.max()) + 1
    means = np.bincount(labels.ravel(), case.map.ravel()) / np.bincount(labels.ravel())
    ranks = np.empty(count, dtype=np.int64)
    ranks[np.argsort(-means, kind="stable")] = np.arange(count)
    rank = ranks[labels]
    images: list[Question] = [Inside(rank >= k, substrate) for k in range(1, count)]
    clean, *scores = yield [Clean(), *images, Kept(0, 0, substrate)]
    relative_scores = [min(score / clean, 1.0) if clean else 1.0 for score in (clean, *scores)]
    shares = [k / count for k in range(count + 1)]
    return Curve(shares, relative_scores, value=1 - Curve(shares, relative_scores).area)


@lru_cache(maxsize=2)  # the same for every method's map of an image
def find_superpixels(pixels: bytes, size: tuple[int, int], segments: int) -> NDArray[np.int64]:
    """Return the index of each pixel's superpixel (h, w), from 0; `pixels` are the bytes of RGB values in [0, 1], float32."""
    image = np.frombuffer(pixels, dtype=np.float32).reshape(*size, 3)
    labels = slic(image, n_segments=segments, start_label=0)
    _, numbered = np.unique(labels, return_inverse=True)
    return numbered.reshape(size)
