"""Control: the same value at every pixel, to show which value each metric gives a map without information."""

from torch import Tensor

from ..bench.nets.net import Net

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Return maps (n, 1, 1) of images (n, 3, h, w): 1 everywhere.

    Stretching turns a constant map into 0, and its rows are marked constant_map. A metric that masks the image by the map then
    shows none of it: its drop is the largest possible and its gain the smallest. Curves order the pixels by the rule for ties,
    by default row by row from the top. Shares on an object, such as energy, are the share of the image that the object covers.
    """
    return images.new_ones(len(images), 1, 1)
