"""Average Drop in Deletion: the share of the class score lost with the map's part of the image (LIFT-CAM, ICCV 2021)."""

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Masked, Substrate
from ._soft import lost

VERSION = 1
BETTER = "higher"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "add"
FAMILY = "drops"
CAVEAT = (
    "A map that hides nearly the whole image scores perfectly: read it beside average drop, whose cheat is the reverse."
)


def score(case: Case, *, fill: Substrate = "mean", signed: bool = False) -> Asking[float]:
    """max(0, Y - D) / Y, with Y the softmax score of the image and D that of the image masked by 1 less the soft map.

    `signed` leaves out the max, so that a score that is won counts against (Gomez et al., 2022; then it may be below 0).
    A constant map takes nothing out: 0.
    """
    clean, without = yield [Clean(), Masked(fill, inverse=True)]
    drop = lost(clean, without)
    return drop if signed or without < clean else 0.0
