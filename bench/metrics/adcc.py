"""ADCC: the harmonic mean of coherency, of 1 less complexity and of 1 less average drop (Poppi et al., CVPRW 2021)."""

from statistics import harmonic_mean

import numpy as np

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Substrate
from ._soft import coherence, lost, weighted

VERSION = 1
BETTER = "higher"
UNIT = "harmonic mean"
RANGE = (0.0, 1.0)
SHORT = "adcc"
FAMILY = "drops"
CAVEAT = "fake_cam, which keeps nearly the whole image, games it: keeping the score is rewarded, not finding the cause."
NEEDS = ("method",)


def score(case: Case, *, fill: Substrate = "mean") -> Asking[float]:
    """Of the one image, as the authors' code has it; 0 where one of the three is 0, and so for a constant map.

    Their tables are the harmonic mean of the three means over images. Raises NotApplicable for a map without its method.
    """
    coherency, complexity = coherence(case, fill), float(case.map.mean(dtype=np.float64))
    clean, masked = yield [Clean(), weighted(case, fill)]
    drop = min(max(lost(clean, masked), 0.0), 1.0)
    return harmonic_mean([coherency, 1 - complexity, 1 - drop])
