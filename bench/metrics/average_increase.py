"""Average Increase: is the class score higher when the image shows only its map? (Chattopadhyay et al., 2018)"""

from ..perturb import Clean, Masked, Substrate
from ..scoring import Asking, Case

VERSION = 1
BETTER = "higher"
UNIT = "yes or no"
RANGE = (0.0, 1.0)
SHORT = "incr"


def score(case: Case, *, fill: Substrate = "mean") -> Asking[float]:
    """1 if Y < O, else 0, with Y the softmax score of the image and O that of the image masked by the soft map."""
    clean, masked = yield [Clean(), Masked(fill)]
    return float(clean < masked)
