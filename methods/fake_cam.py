"""Control: Fake-CAM, the whole image but its top-left pixel, made to win Average Drop (Poppi et al., CVPRW 2021)."""

from torch import Tensor

from ..bench.nets.net import Net

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (n, h, w) of images (n, 3, h, w): 1, but for 0 at the top-left pixel; a metric that it wins needs another by it."""
    maps = images.new_ones(len(images), *images.shape[2:])
    maps[:, 0, 0] = 0
    return maps
