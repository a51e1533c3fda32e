"""Imagenette: photos of ten classes of ImageNet that are easy to distinguish (Howard, 2019), read by torchvision."""

from functools import partial
from typing import Literal

from torchvision.datasets import Imagenette

from ._readers.cache import find_data_root, open_or_download
from ._readers.folder import list_images, open_entries
from ._readers.image_io import Resize
from ._readers.lazy_images import LazyImages

VERSION = 1
THREAD_SAFE = True
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
) -> LazyImages:
    """Return the split's images in an order drawn from the seed, without objects; classes are ImageNet's folders.

    Names are paths in the split's folder. `files` is the archive: full size, or the shorter side of its images. `root` is the
    folder that holds imagenette2-320/ (or the other archive's folder), by default the data folder (CAMBENCH_DATA, or
    ~/.cache/cambench/data); torchvision downloads it there if it is missing. `resize` is as in image_folder. Raise UsageError
    if the download fails.
    """
    folder = find_data_root(root) / FILES[files]
    open_or_download(partial(Imagenette, folder.parent, split=split, size=files), "Imagenette", PAGE, folder)
    return open_entries(folder / split, list_images(folder / split), size=size, resize=resize, seed=seed)
