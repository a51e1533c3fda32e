"""Control: a coarse random map, fitted to the image like a CAM; a method that does not beat it explains nothing."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..bench.core.constraints import Count
from ..bench.forward.device import move_to_device
from ..bench.nets.net import Net
from ._seeds import make_generators

VERSION = 2
CONTROL = True


def explain(
    net: Net, images: Tensor, targets: Tensor, seeds: Sequence[int] | None = None, *, seed: int = 0, size: Count = 7
) -> Tensor:
    """Return maps (n, size, size), uniform in [0, 1), of images (n, 3, h, w); each depends on the seed and its image alone.

    The map is coarse because pixel noise is a weak control: half of the pixels, evenly spread, still show the object.
    """
    generators = make_generators(images, seeds, seed)
    maps = torch.stack([torch.rand(size, size, generator=generator) for generator in generators])
    return move_to_device(maps, images.device)
