"""Average Drop: the share of the class score that is lost when the image shows only its map (Chattopadhyay et al., 2018)."""

from ..perturb import Clean, Masked, Substrate
from ..scoring import Asking, Case

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "drop"


def score(case: Case, *, fill: Substrate = "mean") -> Asking[float]:
    """max(0, Y - O) / Y, with Y the softmax score of the image and O that of the image masked by the soft map."""
    clean, masked = yield [Clean(), Masked(fill)]
    return (clean - masked) / clean if masked < clean else 0.0  # Y = 0 leaves nothing to lose
