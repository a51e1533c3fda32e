"""Random numbers that depend on a setting and on the image alone, and are the same on every device."""

from collections.abc import Sequence
from zlib import crc32

import torch
from torch import Tensor

from ..bench.data.seeds import hash_pixels


def make_seeds(images: Tensor, seeds: Sequence[int] | None, seed: int) -> list[int]:
    """Return a seed for each image, made from the setting `seed` and the image's own seed, or its pixels if it has none."""
    own_seeds = hash_pixels(images) if seeds is None else seeds
    return [crc32(own_seed.to_bytes(8, "little"), seed) for own_seed in own_seeds]


def make_generators(images: Tensor, seeds: Sequence[int] | None, seed: int) -> list[torch.Generator]:
    """Return a generator for each image, on the CPU."""
    return [torch.Generator().manual_seed(image_seed) for image_seed in make_seeds(images, seeds, seed)]
