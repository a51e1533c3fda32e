"""Average Increase: is the class score higher when the image shows only its map? (Chattopadhyay et al., 2018)"""

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Substrate
from ._soft import Share, weighted

VERSION = 1
BETTER = "higher"
UNIT = "yes or no"
RANGE = (0.0, 1.0)
SHORT = "incr"
FAMILY = "drops"
CAVEAT = "Yes or no: a rise by a hair counts as much as a large one, so it needs many images; fake_cam games it."


def score(case: Case, *, fill: Substrate = "mean", top: Share = 1.0) -> Asking[float]:
    """1 if Y < O, else 0, with Y the softmax score of the image and O that of the image masked by the soft map.

    `top` is the share of the map's pixels that count, the highest; the others are 0 (Score-CAM's paper: 0.5). A constant map
    shows nothing.
    """
    clean, masked = yield [Clean(), weighted(case, fill, top)]
    return float(clean < masked)
