"""Average Drop: the share of the class score lost when the image shows only its map (Chattopadhyay et al., 2018)."""

from ..core.constraints import NonNegative, Share
from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Fill
from ._soft import compute_drop, mask_by_map

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "drop"
FAMILY = "drops"
CAVEAT = (
    "A map that keeps nearly the whole image (fake_cam) scores perfectly: read it with a metric that punishes size."
)


def score(
    case: Case, *, fill: Fill = "mean", top: Share = 1.0, epsilon: NonNegative = 0.0, relative: bool = True
) -> Asking[float]:
    """Return max(0, Y - O) / Y in [0, 1]; lower is better.

    Y is the class score of the image, O that of the image masked by its map. Only the share `top` of highest pixels is
    kept (Score-CAM's paper: 0.5). `epsilon` is added to the denominator (torchcam: 1e-7, xplique: 1e-8). With
    relative=False the value is max(0, Y - O), as in pytorch-grad-cam. A constant map shows nothing. If Y = 0, the value is 0.
    """
    clean, masked = yield [Clean(), mask_by_map(case, fill, top)]
    if masked >= clean:
        return 0.0
    return compute_drop(clean, masked, epsilon) if relative else clean - masked
