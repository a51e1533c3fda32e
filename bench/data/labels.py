"""Finds the labels of a data set among the classes of a net."""

import re
from collections import Counter
from collections.abc import Sequence

from .types import Images

IMAGENET = 1000  # classes; the order of its folders is that of the class indices
IMAGENETTE = {
    "n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497,
    "n03394916": 566, "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701,
}  # fmt: skip


def map_labels(images: Images, classes: Sequence[str]) -> dict[int, int]:
    """Return the net's class index of each label that the net knows. Labels without names are class indices already.

    Names match whatever their case, dashes and underscores. A name of several classes (ImageNet has two cranes) matches none.
    The folder names of ImageNet and Imagenette (n01440764) map to ImageNet's class indices.
    """
    names = images.classes
    if not names:
        return {index: index for index in range(len(classes))}
    if len(classes) == IMAGENET and (wordnet_labels := map_wordnet_labels(names)):
        return wordnet_labels
    counts = Counter(map(_normalise, classes))
    indices = {_normalise(name): index for index, name in enumerate(classes) if counts[_normalise(name)] == 1}
    return {label: indices[_normalise(name)] for label, name in enumerate(names) if _normalise(name) in indices}


def _normalise(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")


def find_missing_classes(images: Images, classes: Sequence[str]) -> list[str]:
    """Return the data set's classes that a net lacks."""
    labels = map_labels(images, classes)
    return [name for label, name in enumerate(images.classes) if label not in labels]


def abbreviate(names: Sequence[str]) -> str:
    """Return the first three names, joined by commas."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def map_wordnet_labels(names: Sequence[str]) -> dict[int, int] | None:
    """Return ImageNet's class index of each label; None if the classes are not folder names of ImageNet or Imagenette."""
    if recognise_dataset(names) == "ImageNet":
        return {label: label for label in range(IMAGENET)}
    if names and set(names) <= IMAGENETTE.keys():
        return {label: IMAGENETTE[name] for label, name in enumerate(names)}
    return None


def recognise_dataset(names: Sequence[str]) -> str | None:
    """Return ImageNet or Imagenette if the class names are its folders, else None."""
    if len(names) == IMAGENET and all(re.fullmatch(r"n\d{8}", name) for name in names):
        return "ImageNet"
    return "Imagenette" if set(names) == IMAGENETTE.keys() else None
