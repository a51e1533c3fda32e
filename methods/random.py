"""Control: a coarse random map, fitted to the image like a CAM; a method that does not beat it explains nothing."""

import torch
from torch import Tensor

from ..bench.core.constraints import Count
from ..bench.nets.net import Net
from ._seeds import make_image_generator

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor, *, seed: int = 0, size: Count = 7) -> Tensor:
    """Return maps (n, size, size), uniform in [0, 1), of images (n, 3, h, w); each depends on the seed and its image alone.

    The map is coarse because pixel noise is a weak control: half of the pixels, evenly spread, still show the object.
    """
    return torch.stack(
        [torch.rand(size, size, generator=make_image_generator(image, seed)).to(image) for image in images]
    )
