"""Average Increase: whether the class score rises when the image shows only its map (Chattopadhyay et al., 2018)."""

from ..core.constraints import Share
from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Fill
from ._soft import mask_by_map

VERSION = 1
BETTER = "higher"
UNIT = "yes or no"
RANGE = (0.0, 1.0)
SHORT = "incr"
FAMILY = "drops"
CAVEAT = "A tiny rise counts as much as a large one, so it needs many images; fake_cam does well."


def score(case: Case, *, fill: Fill = "mean", top: Share = 1.0) -> Asking[float]:
    """Return 1 if O > Y, else 0; higher is better.

    Y is the class score of the image, O that of the image masked by its map. Only the share `top` of highest pixels is
    kept (Score-CAM's paper: 0.5). A constant map shows nothing.
    """
    clean, masked = yield [Clean(), mask_by_map(case, fill, top)]
    return float(clean < masked)
