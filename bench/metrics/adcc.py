"""ADCC: the harmonic mean of coherency, 1 - complexity and 1 - average drop (Poppi et al., CVPRW 2021)."""

from statistics import harmonic_mean

from ..scoring.case import Asking, Case, MapValue
from ..scoring.perturbations import Clean, Fill
from ._mean import compute_mean
from ._soft import ask_for_coherency, compute_drop, mask_by_map

VERSION = 1
BETTER = "higher"
UNIT = "harmonic mean"
RANGE = (0.0, 1.0)
SHORT = "adcc"
FAMILY = "drops"
CAVEAT = (
    "fake_cam, which keeps nearly the whole image, scores well: ADCC rewards keeping the score, not finding its cause."
)
NEEDS = ("method",)


def score(case: Case, *, fill: Fill = "mean") -> Asking[float]:
    """Return the harmonic mean of (coherency, 1 - complexity, 1 - drop) of one image, in [0, 1]; higher is better.

    It is 0 if one of the three is 0, as for a constant map. This follows the authors' code; the tables of their paper are the
    harmonic mean of the three means over images. Raise NotApplicable if only the map, not its method, is given.
    """
    coherency, complexity, clean, masked = yield [
        ask_for_coherency(fill), MapValue(compute_mean), Clean(), mask_by_map(case, fill)
    ]  # fmt: skip
    drop = min(max(compute_drop(clean, masked), 0.0), 1.0)
    return harmonic_mean([coherency, 1 - complexity, 1 - drop])
