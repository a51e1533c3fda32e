"""Fashion-MNIST: 28 x 28 pictures of ten kinds of clothing (Xiao et al., 2017), through torchvision."""

from typing import Literal

from torchvision.datasets import FashionMNIST

from ._readers.idx import loaded
from ._readers.lazy_images import Photos

VERSION = 1
PAGE = "https://github.com/zalandoresearch/fashion-mnist (four .gz files, to be unpacked)"


def load(*, split: Literal["train", "test"] = "test", size: int = 28, root: str = "", seed: int = 0) -> Photos:
    """The split's images at their own 28 pixels, or brought to `size`, in an order drawn by the seed.

    `root` is the folder that holds FashionMNIST/raw/ with the four idx files, by default that of CAMBENCH_DATA or
    ~/.cache/cambench/data; they are fetched where they are not there. Raises UsageError without them.
    """
    return loaded(FashionMNIST, PAGE, split=split, size=size, root=root, seed=seed, classes=FashionMNIST.classes)
