"""Control: Fake-CAM highlights all pixels but the top-left one, to show how to win Average Drop (Poppi et al., CVPRW 2021)."""

from torch import Tensor

from ..bench.nets.net import Net

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Return maps (n, h, w) of images (n, 3, h, w): 1 everywhere but 0 at the top-left pixel.

    A metric that this map wins must be read together with another metric.
    """
    maps = images.new_ones(len(images), *images.shape[2:])
    maps[:, 0, 0] = 0
    return maps
