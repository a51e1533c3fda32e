"""Finds the class to explain: named, numbered, or by its rank among the likeliest classes."""

import difflib
import re
from collections.abc import Sequence

from torch import Tensor

from ..core.errors import UsageError

TOP = 5  # classes that have a rank
MANY = 20  # an error message lists at most this many classes


def list_likeliest(probabilities: Tensor) -> list[int]:
    """Return the indices of the likeliest classes, most likely first, from all probabilities (classes,)."""
    likeliest: list[int] = probabilities.argsort(descending=True, stable=True)[:TOP].tolist()
    return likeliest


def find_target(name: str, order: Sequence[int], classes: Sequence[str]) -> int:
    """Find the index of the class that a target names.

    `order` holds the indices of the likeliest classes, most likely first. Raise UsageError for a rank, index or name that
    does not exist, for a name that several classes share, and for a number that is the index of one and the name of another.
    """
    if match := re.fullmatch(r"top(\d{1,9})", name):
        rank = int(match[1])
        if not 1 <= rank <= len(order):
            raise UsageError(f"there is no target {name}: top1 to top{len(order)} are the likeliest classes")
        return order[rank - 1]
    if match := re.fullmatch(r"index(\d{1,9})", name):
        return _check_index(int(match[1]), classes)
    if re.fullmatch(r"\d{1,9}", name) and name not in classes:
        return _check_index(int(name), classes)
    matches = [index for index, label in enumerate(classes) if label.casefold() == name.casefold()]
    if len(matches) > 1:
        indices = " or ".join(map(str, matches))
        raise UsageError(f"{name!r} is the name of {len(matches)} classes: give an index, {indices}")
    if matches and name.isdecimal() and int(name) < len(classes) and int(name) != matches[0]:
        raise UsageError(
            f"{name} is the name of class {matches[0]} and the index of another: write index{matches[0]} or index{name}"
        )
    if not matches:
        raise UsageError(f"there is no class {name!r}: {_suggest(name, classes)}")
    return matches[0]


def _check_index(index: int, classes: Sequence[str]) -> int:
    """Return the index of a class. Raise UsageError for one that does not exist."""
    if index >= len(classes):
        raise UsageError(f"there is no class {index}: the net has the classes 0 to {len(classes) - 1}")
    return index


def _suggest(name: str, classes: Sequence[str]) -> str:
    """Suggest names similar to a wrong one; all names of a net with few classes."""
    similar = [label for label in classes if name.casefold() in label.casefold()]
    similar += [label for label in difflib.get_close_matches(name, classes, n=5, cutoff=0.55) if label not in similar]
    if similar:
        return f"did you mean {', '.join(map(repr, similar[:5]))}?"
    if len(classes) <= MANY:
        return f"there are: {', '.join(classes)}"
    return (
        f"write one of the net's {len(classes)} names ({classes[0]}, {classes[1]}, ...), an index, or top1 to top{TOP}"
    )
