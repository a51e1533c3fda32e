"""Whose classes are whose: a data set's labels among the classes of a net."""

from collections import Counter
from collections.abc import Sequence

from . import wordnet
from .types import Images


def labels_in(images: Images, classes: Sequence[str]) -> dict[int, int]:
    """From the data set's labels to a net's class indices, where it has them: by name, whatever their case; labels without
    names are class indices already.

    ImageNet's validation folders, a thousand names like n01440764, are in the order of the classes; of Imagenette's ten the
    classes are known. A name that several classes of the net have (ImageNet's two cranes) is none.
    """
    names = images.classes
    if not names:
        return {index: index for index in range(len(classes))}
    if len(classes) == wordnet.IMAGENET and (known := wordnet.indices(names)):
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
