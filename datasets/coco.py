"""COCO: photos of everyday scenes with objects of 80 classes, their boxes or masks (Lin et al., ECCV 2014)."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from ..bench.core.errors import UsageError
from ..bench.data.types import Mask
from ._readers.cache import missing, root_of
from ._readers.image_io import Region, Resize, read
from ._readers.lazy_images import Found, Photos, drawn
from ._readers.voc import largest_first

VERSION = 1
PAGE = "https://cocodataset.org/#download"


def load(
    *,
    split: Literal["val2017", "train2017", "val2014", "train2014"] = "val2017",
    objects: Literal["boxes", "masks"] = "boxes",
    size: int = 224,
    resize: Resize = "crop",
    root: str = "",
    seed: int = 0,
) -> Photos:
    """The split's images that hold an object, in an order drawn by the seed; the label is the class of the largest object.

    `objects` are their boxes, or masks of their polygons; crowds, which are not told apart, are left out. `root` is the folder
    that holds val2017/ and annotations/instances_val2017.json, by default coco/ in that of CAMBENCH_DATA or
    ~/.cache/cambench/data. `resize` is as image_folder has it. Raises UsageError without them.
    """
    folder = Path(root) if root else root_of("") / "coco"
    file = folder / "annotations" / f"instances_{split}.json"
    for needed in (folder / split, file):
        if not needed.exists():
            raise missing(f"COCO's {split} is not here", PAGE, needed)
    try:
        classes, images = _read(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read as COCO's annotations ({error!r}): unpack it anew") from None

    def look(index: int) -> Found:
        about, things = images[index]
        region = _box if objects == "boxes" else _mask
        found = largest_first([(label, region(about, thing)) for label, thing in things])
        return Found(read(folder / split / Path(about["file_name"]).name), found[0][0], found)

    names = [str(about["file_name"]) for about, _ in images]
    return drawn(names, look, classes, seed=seed, size=size, resize=resize)


Told = dict[str, Any]


def _read(told: Told) -> tuple[tuple[str, ...], list[tuple[Told, list[tuple[int, Told]]]]]:
    """The classes, and the images in the order of their numbers, each with its objects and their labels."""
    categories = sorted(told["categories"], key=lambda category: category["id"])
    labels = {category["id"]: label for label, category in enumerate(categories)}
    things: dict[int, list[tuple[int, Told]]] = defaultdict(list)
    for thing in told["annotations"]:
        if not thing["iscrowd"]:
            things[thing["image_id"]].append((labels[thing["category_id"]], thing))
    images = sorted((about for about in told["images"] if about["id"] in things), key=lambda about: about["id"])
    return tuple(category["name"] for category in categories), [(about, things[about["id"]]) for about in images]


def _box(about: Told, thing: Told) -> Region:
    left, top, width, height = thing["bbox"]
    wide, high = about["width"], about["height"]
    return left / wide, top / high, (left + width) / wide, (top + height) / high


def _mask(about: Told, thing: Told) -> Mask:
    polygons = thing["segmentation"]
    if not isinstance(polygons, list):
        raise UsageError(f"{about['file_name']} has an object whose mask is no list of polygons: take objects=boxes")
    drawing = Picture.new("1", (about["width"], about["height"]))
    for polygon in polygons:
        ImageDraw.Draw(drawing).polygon(polygon, fill=1)
    return np.asarray(drawing)
