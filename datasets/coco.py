"""COCO: photos of everyday scenes with objects of 80 classes, their boxes or masks (Lin et al., ECCV 2014)."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw

from ..bench.core.errors import ImageError, UsageError
from ..bench.data.types import Mask
from ._readers.cache import find_data_root, make_missing_error
from ._readers.image_io import Region, Resize, read
from ._readers.lazy_images import LabelledPicture, LazyImages, shuffle_images
from ._readers.voc import sort_by_area

VERSION = 1
THREAD_SAFE = True
PAGE = "https://cocodataset.org/#download"


def load(
    *,
    split: Literal["val2017", "train2017", "val2014", "train2014"] = "val2017",
    objects: Literal["boxes", "masks"] = "boxes",
    size: int = 224,
    resize: Resize = "crop",
    root: str = "",
    seed: int = 0,
) -> LazyImages:
    """Return the split's images that hold an object, in an order drawn from the seed; the label is the largest one's class.

    Names are file names. `objects` are boxes, or masks drawn from the polygons; crowds are left out. `root` is the folder that
    holds val2017/ and annotations/instances_val2017.json, by default coco/ in the data folder (CAMBENCH_DATA, or
    ~/.cache/cambench/data). `resize` is as in image_folder. Raise UsageError if a file is missing or cannot be read.
    """
    folder = Path(root) if root else find_data_root("") / "coco"
    file = folder / "annotations" / f"instances_{split}.json"
    for needed in (folder / split, file):
        if not needed.exists():
            raise make_missing_error(f"COCO's {split} is missing", PAGE, needed)
    try:
        classes, images = _parse(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{file} cannot be read as COCO's annotations ({error!r}): download and unpack it again"
        ) from None

    def read_picture(index: int) -> LabelledPicture:
        record, objects_ = images[index]
        to_region = _read_box if objects == "boxes" else _draw_mask
        regions = sort_by_area([(label, to_region(record, annotation)) for label, annotation in objects_])
        return LabelledPicture(read(folder / split / Path(record["file_name"]).name), regions[0][0], regions)

    names = [str(record["file_name"]) for record, _ in images]
    return shuffle_images(names, read_picture, classes, seed=seed, size=size, resize=resize)


Record = dict[str, Any]  # an object of COCO's JSON


def _parse(annotations: Record) -> tuple[tuple[str, ...], list[tuple[Record, list[tuple[int, Record]]]]]:
    """Return the classes, and the images that hold an object, by id, each with its objects and their labels."""
    categories = sorted(annotations["categories"], key=lambda category: category["id"])
    labels = {category["id"]: label for label, category in enumerate(categories)}
    by_image: dict[int, list[tuple[int, Record]]] = defaultdict(list)
    for annotation in annotations["annotations"]:
        if not annotation["iscrowd"]:
            by_image[annotation["image_id"]].append((labels[annotation["category_id"]], annotation))
    images = sorted(
        (image for image in annotations["images"] if image["id"] in by_image), key=lambda image: image["id"]
    )
    return tuple(category["name"] for category in categories), [(image, by_image[image["id"]]) for image in images]


def _read_box(image: Record, annotation: Record) -> Region:
    left, top, width, height = annotation["bbox"]
    image_width, image_height = image["width"], image["height"]
    right, bottom = left + width, top + height
    return left / image_width, top / image_height, right / image_width, bottom / image_height


def _draw_mask(image: Record, annotation: Record) -> Mask:
    polygons = annotation["segmentation"]
    if not isinstance(polygons, list):
        raise ImageError(f"{image['file_name']} has an object whose mask is not a list of polygons: set objects=boxes")
    drawing = Picture.new("1", (image["width"], image["height"]))
    for polygon in polygons:
        ImageDraw.Draw(drawing).polygon(polygon, fill=1)
    return np.asarray(drawing)
