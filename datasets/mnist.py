"""MNIST: 28 x 28 handwritten digits (LeCun et al., 1998), through torchvision."""

from typing import Literal

from torchvision.datasets import MNIST

from ._readers.idx import loaded
from ._readers.lazy_images import Photos

VERSION = 1
PAGE = "https://ossci-datasets.s3.amazonaws.com/mnist/ (four .gz files, to be unpacked)"


def load(*, split: Literal["train", "test"] = "test", size: int = 28, root: str = "", seed: int = 0) -> Photos:
    """The split's images at their own 28 pixels, or brought to `size`, in an order drawn by the seed; classes 0 to 9.

    `root` is the folder that holds MNIST/raw/ with the four idx files, by default that of CAMBENCH_DATA or
    ~/.cache/cambench/data; they are fetched where they are not there. Raises UsageError without them.
    """
    digits = [name[0] for name in MNIST.classes]  # "0 - zero"
    return loaded(MNIST, PAGE, split=split, size=size, root=root, seed=seed, classes=digits)
