"""ImageNet's class folders are named by WordNet's numbers: which data set they are of, and which classes of a net.

Only the names of folders are looked at: that ImageNet's thousand hold its validation images, nobody checks.
"""

import re
from collections.abc import Sequence

IMAGENET = 1000  # classes, their folders in the order of the class indices
IMAGENETTE = {
    "n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497,
    "n03394916": 566, "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701,
}  # fmt: skip


def indices(names: Sequence[str]) -> dict[int, int] | None:
    """From a data set's labels to ImageNet's class indices; None where its classes are not such folders."""
    if data_set(names) == "ImageNet":
        return {label: label for label in range(IMAGENET)}
    if names and set(names) <= IMAGENETTE.keys():
        return {label: IMAGENETTE[name] for label, name in enumerate(names)}
    return None


def data_set(names: Sequence[str]) -> str | None:
    """ImageNet or Imagenette, where the classes' names are its folders; None for what they do not tell."""
    if len(names) == IMAGENET and all(re.fullmatch(r"n\d{8}", name) for name in names):
        return "ImageNet"
    return "Imagenette" if set(names) == IMAGENETTE.keys() else None
