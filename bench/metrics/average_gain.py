"""Average Gain: the share of the missing class score that is won when the image shows only its map (Zhang et al., 2024)."""

from ..perturb import Clean, Masked, Substrate
from ..scoring import Asking, Case

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "gain"


def score(case: Case, *, fill: Substrate = "mean") -> Asking[float]:
    """max(0, O - Y) / (1 - Y), with Y the softmax score of the image and O that of the image masked by the soft map."""
    clean, masked = yield [Clean(), Masked(fill)]
    return max(0.0, masked - clean) / (1 - clean) if masked > clean else 0.0  # Y = 1 leaves nothing to gain
