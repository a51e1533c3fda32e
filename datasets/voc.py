"""Pascal VOC 2007 to 2012: photos with several objects of 20 classes, their boxes or masks (Everingham et al., IJCV 2010)."""

from functools import partial
from pathlib import Path
from typing import Literal

from torchvision.datasets import VOCDetection, VOCSegmentation
from torchvision.datasets.voc import DATASET_YEAR_DICT

from ..bench.core.errors import UsageError
from ._readers.cache import fetched, root_of
from ._readers.image_io import Resize, read
from ._readers.lazy_images import Found, Photos, drawn
from ._readers.voc import Things, boxes, masks

VERSION = 1
PAGE = "http://host.robots.ox.ac.uk/pascal/VOC/"
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
LABELS = {name: label for label, name in enumerate(CLASSES)}


def load(
    *,
    year: Literal[2007, 2008, 2009, 2010, 2011, 2012] = 2012,
    split: Literal["train", "val", "trainval", "test"] = "val",
    objects: Literal["boxes", "masks"] = "boxes",
    size: int = 224,
    resize: Resize = "crop",
    root: str = "",
    seed: int = 0,
) -> Photos:
    """The split's images in an order drawn by the seed, with all their objects; the label is the class of the largest.

    `objects` are the boxes of all images, or the masks of those that were segmented. Only 2007's test images have annotations.
    `root` is the folder that holds VOCdevkit/, by default that of CAMBENCH_DATA or ~/.cache/cambench/data; it is fetched where
    it is not there. `resize` is as image_folder has it. Raises UsageError without it.
    """
    if split == "test" and year != 2007:
        raise UsageError(f"VOC {year} has no annotations of its test images: take split=val, or year=2007")
    key = "2007-test" if (year, split) == (2007, "test") else str(year)
    folder = root_of(root) / DATASET_YEAR_DICT[key]["base_dir"]
    kind = VOCDetection if objects == "boxes" else VOCSegmentation
    open_ = partial(kind, root_of(root), year=str(year), image_set=split)
    files = [Path(file) for file in fetched(open_, f"VOC {year}", PAGE, folder).images]

    def things(name: str) -> Things:
        if objects == "boxes":
            return boxes(folder / "Annotations" / f"{name}.xml", LABELS)
        return masks(folder / "SegmentationClass" / f"{name}.png", folder / "SegmentationObject" / f"{name}.png")

    def look(index: int) -> Found:
        found = things(files[index].stem)
        return Found(read(files[index]), found[0][0] if found else None, found)

    return drawn([file.name for file in files], look, CLASSES, seed=seed, size=size, resize=resize)
