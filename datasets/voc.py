"""Pascal VOC 2007 to 2012: photos with several objects of 20 classes, their boxes or masks (Everingham et al., IJCV 2010)."""

from functools import partial
from pathlib import Path
from typing import Literal

from torchvision.datasets import VOCDetection, VOCSegmentation
from torchvision.datasets.voc import DATASET_YEAR_DICT

from ..bench.core.errors import UsageError
from ._readers.cache import find_data_root, open_or_download
from ._readers.image_io import Resize, read
from ._readers.lazy_images import LabelledPicture, LazyImages, shuffle_images
from ._readers.voc import LabelledRegions, read_boxes, read_masks

VERSION = 1
THREAD_SAFE = True
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
) -> LazyImages:
    """Return the split's images in an order drawn from the seed, with all their objects; the label is the largest one's class.

    Names are file names. `objects` are the boxes of all images, or the masks of the segmented ones. Only 2007's test images
    have annotations. `root` is the folder that holds VOCdevkit/, by default the data folder (CAMBENCH_DATA, or
    ~/.cache/cambench/data); torchvision downloads it there if it is missing. `resize` is as in image_folder. Raise UsageError
    if the download fails.
    """
    if split == "test" and year != 2007:
        raise UsageError(f"VOC {year} has no annotations of its test images: set split=val or year=2007")
    key = "2007-test" if (year, split) == (2007, "test") else str(year)
    folder = find_data_root(root) / DATASET_YEAR_DICT[key]["base_dir"]
    dataset_class = VOCDetection if objects == "boxes" else VOCSegmentation
    open_source = partial(dataset_class, find_data_root(root), year=str(year), image_set=split)
    files = [Path(file) for file in open_or_download(open_source, f"VOC {year}", PAGE, folder).images]

    def find_regions(name: str) -> LabelledRegions:
        if objects == "boxes":
            return read_boxes(folder / "Annotations" / f"{name}.xml", LABELS)
        return read_masks(folder / "SegmentationClass" / f"{name}.png", folder / "SegmentationObject" / f"{name}.png")

    def read_picture(index: int) -> LabelledPicture:
        regions = find_regions(files[index].stem)
        return LabelledPicture(read(files[index]), regions[0][0] if regions else None, regions)

    return shuffle_images([file.name for file in files], read_picture, CLASSES, seed=seed, size=size, resize=resize)
