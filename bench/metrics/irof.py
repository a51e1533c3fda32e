"""IROF: area over the score curve as superpixels are removed, most salient first (Rieger and Hansen, 2020)."""

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import slic

from ..core.constraints import CountFromTwo
from ..scoring.case import Asking, Case, Curve
from ..scoring.perturbations import Clean, Fill, Kept, RegionSeries

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "irof"
FAMILY = "deletion and insertion"
CAVEAT = "It depends on the cut into superpixels, which are few; filled superpixels are unlike the training images."


def score(case: Case, *, segments: CountFromTwo = 100, fill: Fill = "mean") -> Asking[Curve]:
    """Return 1 - the area under min(1, f(x_k) / f(x_0)) against the share of superpixels removed, in [0, 1]; higher is better.

    x_k is the image without its k superpixels of highest mean map; SLIC makes about `segments` of them. Equal superpixels are
    removed in SLIC's order. The value is 0 if the image's score f(x_0) is 0.
    """
    labels, sizes = case.once(("superpixels", segments), lambda: find_superpixels(case, segments))
    count = len(sizes)
    means = np.bincount(labels.ravel(), case.map.ravel()) / sizes
    ranks = np.empty(count, dtype=np.int64)
    ranks[np.argsort(-means, kind="stable")] = np.arange(count)
    bounds = tuple((k, count) for k in range(1, count))
    removed = [RegionSeries(ranks[labels], bounds, fill)] if bounds else []  # an even image has one superpixel
    clean, *scores = yield [Clean(), *removed, Kept(0, 0, fill)]
    relative_scores = [min(score / clean, 1.0) if clean else 1.0 for score in (clean, *scores)]
    shares = [k / count for k in range(count + 1)]
    return Curve(shares, relative_scores, value=1 - Curve(shares, relative_scores).area)


def find_superpixels(case: Case, segments: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index of each pixel's superpixel (h, w), from 0, and the number of pixels of each superpixel."""
    labels = slic(case.image.permute(1, 2, 0).cpu().numpy(), n_segments=segments, start_label=0)
    _, numbered, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    return numbered.reshape(labels.shape), sizes
