"""Control: a coarse random map, fitted to the image as a CAM is; a method that does not beat it explains nothing."""

from typing import Annotated
from zlib import crc32

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net

Size = Annotated[int, Field(ge=1)]

VERSION = 1
CONTROL = True


def explain(net: Net, images: Tensor, targets: Tensor, *, seed: int = 0, size: Size = 7) -> Tensor:
    """Maps (n, size, size), uniform in [0, 1), of images (n, 3, h, w); each depends on the seed and its image alone.

    The map is coarse because pixel noise is no control: half of the pixels, evenly spread, still show what is there.
    """
    return torch.stack([_noise(image, seed, size) for image in images])


def _noise(image: Tensor, seed: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(crc32(image.cpu().numpy().tobytes(), seed))
    return torch.rand(size, size, generator=generator).to(image)
