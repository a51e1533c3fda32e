"""Whose classes are whose: a data set's labels among the classes of a net."""

import re
from collections import Counter
from collections.abc import Sequence

from .types import Images

IMAGENET = 1000  # classes, their folders in the order of the class indices
IMAGENETTE = {
    "n01440764": 0, "n02102040": 217, "n02979186": 482, "n03000684": 491, "n03028079": 497,
    "n03394916": 566, "n03417042": 569, "n03425413": 571, "n03445777": 574, "n03888257": 701,
}  # fmt: skip


def labels_in(images: Images, classes: Sequence[str]) -> dict[int, int]:
    """From the data set's labels to a net's class indices, where it has them: by name, whatever their case; labels without
    names are class indices already.

    ImageNet's validation folders, a thousand names like n01440764, are in the order of the classes; of Imagenette's ten the
    classes are known. A name that several classes of the net have (ImageNet's two cranes) is none.
    """
    names = images.classes
    if not names:
        return {index: index for index in range(len(classes))}
    if len(classes) == IMAGENET and (known := wordnet_indices(names)):
        return known
    often = Counter(map(_plain, classes))
    indices = {_plain(name): index for index, name in enumerate(classes) if often[_plain(name)] == 1}
    return {label: indices[_plain(name)] for label, name in enumerate(names) if _plain(name) in indices}


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ")


def unknown(images: Images, classes: Sequence[str]) -> list[str]:
    """The data set's classes that are none of a net's."""
    labels = labels_in(images, classes)
    return [name for label, name in enumerate(images.classes) if label not in labels]


def few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def wordnet_indices(names: Sequence[str]) -> dict[int, int] | None:
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
