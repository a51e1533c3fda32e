"""Slow, obvious implementations, as references for the fast ones."""

from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.bench.data.types import Mask

Pixels = NDArray[np.float64]


def draw_seed(image: Tensor, seed: int) -> int:
    """The seed of a method's random numbers for an image (3, h, w): from its pixels, rounded to 8 bits, and the setting."""
    pixels = np.round(image.numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
    return crc32(crc32(pixels.tobytes()).to_bytes(8, "little"), seed)


def naive_blur(normalised: NDArray[np.float64]) -> NDArray[np.float64]:
    """RISE's blur of a normalised image (3, h, w), padded by zeros, pixel by pixel."""
    kernel, (_, height, width) = rise_kernel(), normalised.shape
    padded = np.pad(normalised, ((0, 0), (5, 5), (5, 5)))
    blurred = np.empty_like(normalised)
    for y in range(height):
        for x in range(width):
            blurred[:, y, x] = (padded[:, y : y + 11, x : x + 11] * kernel).sum((1, 2))
    return blurred


def grey(values: list[float]) -> Tensor:
    """An image of one row with equal colour channels."""
    return torch.tensor(values).expand(3, 1, len(values)).contiguous()


def share(*pixels: tuple[int, int], size: int = 8) -> Mask:
    mask = np.zeros((size, size), dtype=bool)
    for y, x in pixels:
        mask[y, x] = True
    return mask


def in_hull(corners: Pixels, point: Pixels) -> bool:
    """Whether no line through two of the corners has all corners on one side and the point on the other."""
    for a in corners:
        for b in corners:
            side = (b[0] - a[0]) * (corners[:, 1] - a[1]) - (b[1] - a[1]) * (corners[:, 0] - a[0])
            here = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
            if (side >= 0).all() and here < 0 and (a != b).any():
                return False
    return True


def rise_kernel() -> NDArray[np.float64]:
    """RISE's: scipy smooths a point in 11 x 11 pixels, mirrored at their edge, by a Gaussian of sigma 5 cut at 4 sigma."""
    weights = np.exp(-0.5 * (np.arange(-20, 21) / 5.0) ** 2)
    weights /= weights.sum()
    point = np.zeros(11)
    point[5] = 1
    line = np.convolve(np.pad(point, 20, mode="symmetric"), weights, mode="valid")
    return np.outer(line, line)
