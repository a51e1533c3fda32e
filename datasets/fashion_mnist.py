"""Fashion-MNIST: 28 x 28 grey images of ten kinds of clothing (Xiao et al., 2017), read by torchvision."""

from typing import Literal

from torchvision.datasets import FashionMNIST

from ._readers.idx import load_idx
from ._readers.lazy_images import LazyImages

VERSION = 1
PAGE = "https://github.com/zalandoresearch/fashion-mnist (four .gz files, to be unpacked)"


def load(*, split: Literal["train", "test"] = "test", size: int = 28, root: str = "", seed: int = 0) -> LazyImages:
    """Return the split's images of 28 x 28 pixels, or resized to `size`, in an order drawn from the seed.

    Names are test-00000 and so on; classes are T-shirt/top, Trouser and so on; no objects are marked. `root` is the folder that
    holds FashionMNIST/raw/ with the four idx files, by default the data folder (CAMBENCH_DATA, or ~/.cache/cambench/data);
    torchvision downloads the files there if they are missing. Raise UsageError if that fails.
    """
    return load_idx(FashionMNIST, PAGE, split=split, size=size, root=root, seed=seed, classes=FashionMNIST.classes)
