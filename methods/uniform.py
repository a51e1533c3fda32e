"""Control: every pixel alike; what a metric gives a map that says nothing, so that the others can be read against it."""

from torch import Tensor

from ..bench.nets.net import Net

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (n, 1, 1) of images (n, 3, h, w): 1 throughout.

    Stretching makes 0 of a constant map, and its records are marked constant_map. A metric that masks softly is shown none
    of the image: its drop is the largest that there is, its gain the least. Curves trade pixels as ties are broken, row by row
    from the top by default. Shares on an object, energy among them, are the share of the image that it covers.
    """
    return images.new_ones(len(images), 1, 1)
