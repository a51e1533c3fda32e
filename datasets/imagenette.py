"""Imagenette: photos of ten classes of ImageNet that are easily told apart (Howard, 2019), through torchvision."""

from functools import partial
from typing import Literal

from torchvision.datasets import Imagenette

from ._readers.cache import fetched, root_of
from ._readers.folder import classed, photos
from ._readers.image_io import Resize
from ._readers.lazy_images import Photos

VERSION = 1
PAGE = "https://github.com/fastai/imagenette"
FILES = {"full": "imagenette2", "320px": "imagenette2-320", "160px": "imagenette2-160"}


def load(
    *,
    split: Literal["train", "val"] = "val",
    files: Literal["full", "320px", "160px"] = "320px",
    size: int = 224,
    resize: Resize = "crop",
    root: str = "",
    seed: int = 0,
) -> Photos:
    """The split's images in an order drawn by the seed; the classes are ImageNet's folders, which its nets know.

    `files` says by the shorter side which of the three archives is meant. `root` is the folder that holds imagenette2-320/ (or
    the other's), by default that of CAMBENCH_DATA or ~/.cache/cambench/data; it is fetched where it is not there. `resize` is
    as image_folder has it. Raises UsageError without it.
    """
    folder = root_of(root) / FILES[files]
    fetched(partial(Imagenette, folder.parent, split=split, size=files), "Imagenette", PAGE, folder)
    entries, classes = classed(folder / split)
    return photos(folder / split, entries, classes, size=size, resize=resize, seed=seed)
