"""Seeds of random numbers: made from an image's 8-bit pixels, so that every device draws the same numbers for an image."""

import random
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from .types import Pixels


def hash_image(pixels: Pixels) -> int:
    """Return the checksum of an image's pixels (h, w, 3)."""
    return crc32(pixels.tobytes())


def hash_pixels(images: Tensor) -> list[int]:
    """Return the checksum of each of the images (n, 3, h, w) in [0, 1], rounded to 8 bits: that of `hash_image`."""
    pixels = (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [hash_image(image) for image in pixels]


def derive_seed(seed: int, text: str) -> int:
    """Return another seed, for a purpose that the text describes."""
    return crc32(text.encode(), seed)


def seed_generators(seed: int, device: torch.device) -> None:
    """Start the global generators of Python, numpy and torch, those of the CPU and of a device, from a seed below 2^32.

    Foreign code may draw from them. `torch.manual_seed` would also prepare every other device, which takes a millisecond.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)
    elif device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)
