"""Insertion less deletion; with one substrate for both, the symmetric relevance gain, SRG (Blücher et al., 2024)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Substrate
from ._curves import course

VERSION = 1
BETTER = "higher"
UNIT = "mean probability"
RANGE = (-1.0, 1.0)
SHORT = "ins-del"
FAMILY = "deletion and insertion"
CAVEAT = "Two errors in one number: look at insertion and deletion to see which of the two decides."


def score(
    case: Case, *, steps: Steps = 28, insertion: Substrate = "blur", deletion: Substrate = "mean", cells: bool = False
) -> Asking[float]:
    """The area of insertion less that of deletion, each with its substrate; `cells` and constant maps as there."""
    path = course(case, steps, cells=cells)
    shown, gone = path.inserted(insertion), path.removed(deletion)
    scores = yield [*shown, *gone]
    rising, falling = scores[: len(shown)], scores[len(shown) :]
    return Curve(path.shares, rising).area - Curve(path.shares, falling).area
