"""Insertion minus deletion; with one fill for both, the symmetric relevance gain, SRG (Blücher et al., 2024)."""

from ..scoring.case import Asking, Case, Curve, Steps
from ..scoring.perturbations import Fill
from ._curves import make_schedule

VERSION = 1
BETTER = "higher"
UNIT = "mean probability"
RANGE = (-1.0, 1.0)
SHORT = "ins-del"
FAMILY = "deletion and insertion"
CAVEAT = "It combines two errors in one value: read insertion and deletion to see which one decides."


def score(
    case: Case, *, steps: Steps = 28, insertion: Fill = "blur", deletion: Fill = "mean", cells: bool = False
) -> Asking[float]:
    """Return the area of insertion minus the area of deletion, in [-1, 1]; higher is better.

    Each has its own fill. `cells` and constant maps are as in insertion and deletion.
    """
    schedule = make_schedule(case, steps, cells=cells)
    scores = yield [*schedule.list_insertion_images(insertion), *schedule.list_deletion_images(deletion)]
    points = len(schedule.counts)
    rising, falling = scores[:points], scores[points:]
    return Curve(schedule.shares, rising).area - Curve(schedule.shares, falling).area
