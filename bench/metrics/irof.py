"""IROF: area over the class score while the image's segments lose their colours, the map's highest first (Rieger et al., 2020)."""

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import slic
from torch import Tensor

from ..case import Asking, Case, Curve, Steps
from ..draws import once
from ..perturb import Clean, Kept, Shown, Substrate

VERSION = 1
BETTER = "higher"
UNIT = "of the class score"
RANGE = (float("-inf"), 1.0)
SHORT = "irof"


def score(case: Case, *, segments: Steps = 100, fill: Substrate = "mean") -> Asking[Curve]:
    """1 less the area under the score, over that of the image, against the share of segments gone, both ends in.

    About so many segments, by SLIC on the image, in the order of their mean in the map; equal ones, as a constant map's, as
    SLIC numbers them. The fill is the mean colour of the data that the net was trained on. Where the score is 0: 0. Quantus
    adds up the segments' losses, without the first point, and so grows with their number; it fills by the image's mean value.
    """
    found = _segments(case.image, segments)
    count = int(found.max()) + 1
    means = np.bincount(found.ravel(), case.map.ravel()) / np.bincount(found.ravel())
    ranks = np.argsort(np.argsort(-means, kind="stable"))[found]
    gone = [Shown(ranks >= k, fill) if k < count else Kept(0, 0, fill) for k in range(1, count + 1)]
    clean, *scores = yield [Clean(), *gone]
    curve = [1.0, *(score / clean for score in scores)] if clean else [1.0] * (count + 1)
    shares = [k / count for k in range(count + 1)]
    return Curve(shares, curve, value=1 - float(np.trapezoid(curve, shares)))


@once
def _segments(image: Tensor, segments: int) -> NDArray[np.int64]:
    """The number of each pixel's segment (h, w), from 0 on, none left out."""
    found = slic(image.permute(1, 2, 0).double().cpu().numpy(), n_segments=segments, start_label=0)
    return np.unique(found, return_inverse=True)[1].reshape(found.shape)
