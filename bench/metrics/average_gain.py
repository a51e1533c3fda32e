"""Average Gain: the share of the missing class score that is won when the image shows only its map (Zhang et al., 2024)."""

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Substrate
from ._soft import Epsilon, Share, weighted

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "gain"
FAMILY = "drops"
CAVEAT = "Where the net is sure there is hardly any score left to gain; keeping nearly the whole image loses nothing."


def score(case: Case, *, fill: Substrate = "mean", top: Share = 1.0, epsilon: Epsilon = 0.0) -> Asking[float]:
    """max(0, O - Y) / (1 - Y), with Y the softmax score of the image and O that of the image masked by the soft map.

    `top` is the share of the map's pixels that count, the highest; the others are 0. `epsilon` is added to the 1 - Y below
    (xplique: 1e-8). A constant map shows nothing.
    """
    clean, masked = yield [Clean(), weighted(case, fill, top)]
    missing = 1 - clean + epsilon
    return (masked - clean) / missing if masked > clean and missing else 0.0  # Y = 1 leaves nothing to gain
