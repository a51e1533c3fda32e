"""Objects as Pascal VOC and ImageNet write them: an XML file of boxes, or two pictures of classes and of objects."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...bench.core.errors import UsageError
from .image_io import Box, Region, read_palette
from .lazy_images import area

Things = tuple[tuple[int, Region], ...]
VOID = 255  # the outline between objects, which is nobody's


def boxes(file: Path, labels: Mapping[str, int]) -> Things:
    """The objects of an XML file whose names have a label, the largest first. Raises UsageError for a file that is not such."""
    try:
        root = ElementTree.parse(file).getroot()
        width, height = (float(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
        found = [(thing.findtext("name", ""), _box(thing, width, height)) for thing in root.iter("object")]
    except (ElementTree.ParseError, ValueError, ZeroDivisionError, OSError) as error:
        raise UsageError(f"{file} cannot be read as VOC's annotations ({error}): unpack it anew") from None
    return largest_first([(labels[name], box) for name, box in found if name in labels])


def _box(thing: ElementTree.Element, width: float, height: float) -> Box:
    """Pixels are numbered from 1 to the last, which is inside."""
    x1, y1, x2, y2 = (float(thing.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
    return (x1 - 1) / width, (y1 - 1) / height, x2 / width, y2 / height


def masks(classes: Path, objects: Path) -> Things:
    """The objects of two palette pictures: colours number classes from 1 in one and objects in the other."""
    classed, told_apart = read_palette(classes), read_palette(objects)
    found: list[tuple[int, Region]] = []
    for number in np.setdiff1d(told_apart, [0, VOID]):
        mask = told_apart == number
        label = int(np.bincount(classed[mask], minlength=VOID + 1)[1:VOID].argmax())
        found.append((label, mask))
    return largest_first(found)


def largest_first(found: list[tuple[int, Region]]) -> Things:
    return tuple(sorted(found, key=lambda thing: -area(thing[1])))
