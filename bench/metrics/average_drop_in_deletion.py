"""Average Drop in Deletion: the share of the class score lost without the map's part of the image (LIFT-CAM, ICCV 2021)."""

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Fill, Masked
from ._soft import compute_drop

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "add"
FAMILY = "drops"
CAVEAT = (
    "A map that hides nearly the whole image scores perfectly: read it with average_drop, which rewards the opposite."
)


def score(case: Case, *, fill: Fill = "mean", signed: bool = False) -> Asking[float]:
    """Return max(0, Y - D) / Y in [0, 1]; higher is better.

    Y is the class score of the image, D that of the image masked by 1 - map. `signed` omits the max, so that a gain of the
    score counts against the map and the value may be negative (Gomez et al., 2022). A constant map removes
    nothing, and the value is 0.
    """
    clean, deleted = yield [Clean(), Masked(fill, inverse=True)]
    drop = compute_drop(clean, deleted)
    return drop if signed or deleted < clean else 0.0
