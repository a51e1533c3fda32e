"""CIFAR-10: 32 x 32 photos of ten classes, without objects (Krizhevsky, 2009), read by torchvision."""

from functools import partial
from typing import Literal

from PIL import Image as Picture
from torchvision.datasets import CIFAR10

from ._readers.cache import find_data_root, open_or_download
from ._readers.lazy_images import LabelledPicture, LazyImages, shuffle_images

VERSION = 1
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


def load(*, split: Literal["train", "test"] = "test", size: int = 32, root: str = "", seed: int = 0) -> LazyImages:
    """Return the split's images of 32 x 32 pixels, or resized to `size`, in an order drawn from the seed.

    Names are test-00000 and so on; classes are airplane, automobile and so on; no objects are marked. `root` is the folder that
    holds cifar-10-batches-py/ (the "python version"), by default the data folder (CAMBENCH_DATA, or ~/.cache/cambench/data);
    torchvision downloads the files there if they are missing, and checks their sums. Raise UsageError if that fails.
    """
    folder = find_data_root(root)
    open_source = partial(CIFAR10, folder, train=split == "train")
    source = open_or_download(open_source, "CIFAR-10", PAGE, folder / CIFAR10.base_folder)

    def read_picture(index: int) -> LabelledPicture:
        return LabelledPicture(Picture.fromarray(source.data[index]), int(source.targets[index]))

    names = [f"{split}-{index:05d}" for index in range(len(source))]
    return shuffle_images(names, read_picture, source.classes, seed=seed, size=size)
