"""Readers of Pascal VOC's and ImageNet's objects: an XML file of boxes, or two images of class and object numbers."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ...bench.core.errors import ImageError
from .image_io import Box, Region, read_palette
from .lazy_images import compute_area

LabelledRegions = tuple[tuple[int, Region], ...]
VOID = 255  # the outline between objects, which belongs to none


def read_boxes(file: Path, labels: Mapping[str, int]) -> LabelledRegions:
    """Read the objects of an XML file whose names have a label, the largest first. Raise ImageError if it cannot be read."""
    try:
        root = ElementTree.parse(file).getroot()
        width, height = (float(root.findtext(f"size/{side}", "")) for side in ("width", "height"))
        named_boxes = [
            (element.findtext("name", ""), _read_box(element, width, height)) for element in root.iter("object")
        ]
    except (ElementTree.ParseError, ValueError, ZeroDivisionError, OSError) as error:
        raise ImageError(
            f"{file} cannot be read as VOC's annotations ({error}): download and unpack it again"
        ) from None
    return sort_by_area([(labels[name], box) for name, box in named_boxes if name in labels])


def _read_box(element: ElementTree.Element, width: float, height: float) -> Box:
    """Return a box as shares of the image. In the file, pixels are numbered from 1, and the last one is inside the box."""
    x1, y1, x2, y2 = (float(element.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
    return (x1 - 1) / width, (y1 - 1) / height, x2 / width, y2 / height


def read_masks(classes: Path, objects: Path) -> LabelledRegions:
    """Read the objects of two palette images, whose colours are class numbers from 1 and object numbers."""
    class_numbers, object_numbers = read_palette(classes), read_palette(objects)
    regions: list[tuple[int, Region]] = []
    for number in np.setdiff1d(object_numbers, [0, VOID]):
        mask = object_numbers == number
        label = int(np.bincount(class_numbers[mask], minlength=VOID + 1)[1:VOID].argmax())
        regions.append((label, mask))
    return sort_by_area(regions)


def sort_by_area(regions: list[tuple[int, Region]]) -> LabelledRegions:
    """Return the regions, the largest first."""
    return tuple(sorted(regions, key=lambda labelled: -compute_area(labelled[1])))
