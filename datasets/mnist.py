"""MNIST: 28 x 28 grey images of handwritten digits (LeCun et al., 1998), read by torchvision."""

from typing import Literal

from torchvision.datasets import MNIST

from ._readers.idx import load_idx
from ._readers.lazy_images import LazyImages

VERSION = 1
PAGE = "https://ossci-datasets.s3.amazonaws.com/mnist/ (four .gz files, to be unpacked)"


def load(*, split: Literal["train", "test"] = "test", size: int = 28, root: str = "", seed: int = 0) -> LazyImages:
    """Return the split's images of 28 x 28 pixels, or resized to `size`, in an order drawn from the seed.

    Names are test-00000 and so on; classes are the digits 0 to 9; no objects are marked. `root` is the folder that
    holds MNIST/raw/ with the four idx files, by default the data folder (CAMBENCH_DATA, or ~/.cache/cambench/data);
    torchvision downloads the files there if they are missing. Raise UsageError if that fails.
    """
    digits = [name[0] for name in MNIST.classes]  # "0 - zero"
    return load_idx(MNIST, PAGE, split=split, size=size, root=root, seed=seed, classes=digits)
