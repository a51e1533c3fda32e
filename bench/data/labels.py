"""Finds the labels of a data set among the classes of a net."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ..core.choices import LABEL_ORDERS, LabelOrder
from .types import Images

IMAGENET = 1000  # classes
IMAGENET_IDS = Path(__file__).with_name("imagenet_ids.txt")  # of WordNet, one a line, in the order of the class indices
IMAGENETTE = (
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079",
    "n03394916", "n03417042", "n03425413", "n03445777", "n03888257",
)  # fmt: skip


def map_labels(images: Images, classes: Sequence[str], order: LabelOrder = "name") -> dict[int, int]:
    """Return the net's class index of each label that the net knows; see `map_names`."""
    return map_names(images.classes, classes, order)


def map_names(names: Sequence[str], classes: Sequence[str], order: LabelOrder = "name") -> dict[int, int]:
    """Return the net's class index of each label of a data set. Labels without names are class indices already.

    By `name`, names match whatever their case, dashes and underscores, and numbers whatever their leading zeros. A name of
    several classes (ImageNet has two cranes) matches none. WordNet's ids (n01440764) map to ImageNet's class indices. By
    `position`, the first name is class 0: for class folders, the order of torchvision's ImageFolder.
    """
    if not names or order == "position":
        return {index: index for index in range(min(len(names) or len(classes), len(classes)))}
    if len(classes) == IMAGENET and (wordnet_labels := map_wordnet_labels(names)):
        return wordnet_labels
    counts = Counter(map(_normalise, classes))
    indices = {_normalise(name): index for index, name in enumerate(classes) if counts[_normalise(name)] == 1}
    return {label: indices[_normalise(name)] for label, name in enumerate(names) if _normalise(name) in indices}


def _normalise(name: str) -> str:
    return str(int(name)) if _is_number(name) else name.casefold().replace("_", " ").replace("-", " ")


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def has_two_orders(names: Sequence[str], classes: Sequence[str]) -> bool:
    """Tell whether a data set's names are numbers that are other class indices than their positions."""
    if not names or not all(map(_is_number, names)):
        return False
    by_name, by_position = (map_names(names, classes, order) for order in LABEL_ORDERS)
    return by_name != by_position


def find_order_fault(names: Sequence[str], classes: Sequence[str], order: LabelOrder) -> str | None:
    """Find why a data set's labels cannot be taken in this order on a net, in words; None if they can be."""
    if order != "position":
        return None
    if not names:
        return "its labels have no names, or it has no labels, so they have no positions either"
    by_name, by_position = (map_names(names, classes, order) for order in LABEL_ORDERS)
    differing = [label for label, index in by_position.items() if by_name.get(label) != index]
    has_names = bool(by_name) or not all(map(_is_number, classes))
    if not differing or not has_names or all(map(_is_number, names)):
        return None
    label = differing[0]
    return f"its class {names[label]!r} would be the net's class {label}, which is named {classes[label]!r}"


def describe_order(order: LabelOrder) -> str:
    """Say which class of the net a data set's class is, if its name is a number."""
    if order == "name":
        return "the number is taken as the net's class index"
    return (
        "the position among the names is taken as the net's class index (of folders sorted as text, as by ImageFolder)"
    )


def find_missing_classes(images: Images, classes: Sequence[str], order: LabelOrder = "name") -> list[str]:
    """Return the data set's classes that a net lacks."""
    labels = map_labels(images, classes, order)
    return [name for label, name in enumerate(images.classes) if label not in labels]


def abbreviate(names: Sequence[str]) -> str:
    """Return the first three names, joined by commas."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def map_wordnet_labels(names: Sequence[str]) -> dict[int, int] | None:
    """Return ImageNet's class index of each label; None if a name is not one of its WordNet ids."""
    indices = _read_imagenet_ids()
    return (
        {label: indices[name] for label, name in enumerate(names)} if names and set(names) <= indices.keys() else None
    )


@cache
def _read_imagenet_ids() -> dict[str, int]:
    """Return the class index of each WordNet id."""
    return {name: index for index, name in enumerate(IMAGENET_IDS.read_text(encoding="utf-8").split())}


def recognise_dataset(names: Sequence[str]) -> str | None:
    """Return ImageNet or Imagenette if the class names are its folders, else None."""
    if set(names) == _read_imagenet_ids().keys():
        return "ImageNet"
    return "Imagenette" if set(names) == set(IMAGENETTE) else None
