"""Average Drop: the share of the class score that is lost when the image shows only its map (Chattopadhyay et al., 2018)."""

from ..scoring.case import Asking, Case
from ..scoring.perturbations import Clean, Substrate
from ._soft import Epsilon, Share, lost, weighted

VERSION = 1
BETTER = "lower"
UNIT = "share"
RANGE = (0.0, 1.0)
SHORT = "drop"
FAMILY = "drops"
CAVEAT = (
    "A map that keeps nearly the whole image (fake_cam) scores perfectly: read it beside a metric that punishes size."
)


def score(
    case: Case, *, fill: Substrate = "mean", top: Share = 1.0, epsilon: Epsilon = 0.0, relative: bool = True
) -> Asking[float]:
    """max(0, Y - O) / Y, with Y the softmax score of the image and O that of the image masked by the soft map.

    `top` is the share of the map's pixels that count, the highest; the others are 0 (Score-CAM's paper: 0.5). `epsilon` is
    added to the Y below (torchcam: 1e-7, xplique: 1e-8). Not `relative`: max(0, Y - O) (pytorch-grad-cam). A constant map
    shows nothing.
    """
    clean, masked = yield [Clean(), weighted(case, fill, top)]
    if masked >= clean:
        return 0.0
    return lost(clean, masked, epsilon) if relative else clean - masked  # Y = 0 leaves nothing to lose
