"""Average Gain: the share of the missing class score gained when the image shows only its map (Zhang et al., 2024)."""

from ..core.constraints import NonNegative, Share
from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Fill
from ._soft import mask_by_map

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "gain"
FAMILY = "drops"
CAVEAT = "If the net is certain, there is hardly any score left to gain; a map that keeps nearly the whole image loses nothing."


def score(case: Case, *, fill: Fill = "mean", top: Share = 1.0, epsilon: NonNegative = 0.0) -> Asking[float]:
    """Return max(0, O - Y) / (1 - Y) in [0, 1]; higher is better.

    Y is the class score of the image, O that of the image masked by its map. Only the share `top` of highest pixels is
    kept. `epsilon` is added to the denominator (xplique: 1e-8). A constant map shows nothing. If Y = 1, the value is 0.
    """
    clean, masked = yield [Clean(), mask_by_map(case, fill, top)]
    missing = 1 - clean + epsilon
    return (masked - clean) / missing if masked > clean and missing else 0.0
