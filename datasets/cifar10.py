"""CIFAR-10: 32 x 32 photos of ten classes (Krizhevsky, 2009), through torchvision."""

from functools import partial
from typing import Literal

from PIL import Image as Picture
from torchvision.datasets import CIFAR10

from ._readers.cache import fetched, root_of
from ._readers.lazy_images import Found, Photos, drawn

VERSION = 1
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"


def load(*, split: Literal["train", "test"] = "test", size: int = 32, root: str = "", seed: int = 0) -> Photos:
    """The split's images at their own 32 pixels, or brought to `size`, in an order drawn by the seed.

    `root` is the folder that holds cifar-10-batches-py/ (the "python version"), by default that of CAMBENCH_DATA or
    ~/.cache/cambench/data; it is fetched where it is not there. Its files' checksums are checked. Raises UsageError without it.
    """
    folder = root_of(root)
    open_ = partial(CIFAR10, folder, train=split == "train")
    source = fetched(open_, "CIFAR-10", PAGE, folder / CIFAR10.base_folder)

    def look(index: int) -> Found:
        return Found(Picture.fromarray(source.data[index]), int(source.targets[index]))

    names = [f"{split}-{index:05d}" for index in range(len(source))]
    return drawn(names, look, source.classes, seed=seed, size=size)
