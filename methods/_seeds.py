"""Seeds that depend on the image, so that a map does not depend on the other images of a batch."""

from zlib import crc32

import torch
from torch import Tensor


def make_image_seed(image: Tensor, seed: int) -> int:
    """Return a seed made from the setting `seed` and the bytes of an image."""
    return crc32(image.cpu().numpy().tobytes(), seed)


def make_image_generator(image: Tensor, seed: int) -> torch.Generator:
    """Return a generator on the CPU, which draws the same numbers for the same image and seed on every device."""
    return torch.Generator().manual_seed(make_image_seed(image, seed))
