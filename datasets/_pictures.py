"""Pictures from files: read whatever their mode, and brought to size together with their boxes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Picture
from PIL import UnidentifiedImageError

from ..bench.errors import UsageError
from ..bench.images import Mask, Pixels

Resize = Literal["crop", "crop-all", "squash"]
Box = tuple[float, float, float, float]  # x1 y1 x2 y2, as shares of the file's width and height

CROP = 256 / 224  # torchvision's: the shorter side is brought to 256, and 224 are cut from the middle


def read(path: Path) -> Picture.Image:
    """A picture in RGB: grey, palette, CMYK and 16-bit ones converted, transparent ones laid on white."""
    with _opened(path) as file:
        file.load()
        picture: Picture.Image = file.copy()
    if picture.mode.startswith("I"):
        picture = Picture.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Picture.alpha_composite(Picture.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def extent(path: Path) -> tuple[int, int]:
    """A picture's width and height, without reading its pixels."""
    with _opened(path) as file:
        return file.size


@contextmanager
def _opened(path: Path) -> Iterator[Picture.Image]:
    try:
        with Picture.open(path) as file:
            yield file
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Picture.DecompressionBombError) as error:
        raise UsageError(
            f"{path} cannot be read as an image ({error}): repair it, or take it out of the data set"
        ) from None


def fitted(picture: Picture.Image, size: int, resize: Resize) -> tuple[Pixels, Box]:
    """The image at its size, and the window of the picture that it shows, as shares of its width and height."""
    width, height = picture.size
    if resize == "squash":
        return np.asarray(picture.resize((size, size), Picture.Resampling.BILINEAR)), (0.0, 0.0, 1.0, 1.0)
    side = min(width, height) / (CROP if resize == "crop" else 1)
    left, top = (width - side) / 2, (height - side) / 2
    cut = picture.resize((size, size), Picture.Resampling.BILINEAR, (left, top, left + side, top + side))
    return np.asarray(cut), (left / width, top / height, (left + side) / width, (top + side) / height)


def mask(box: Box, window: Box, size: int) -> Mask:
    """The pixels whose centres lie in a box, in the image that shows a window of the file."""
    x1, y1, x2, y2 = window
    centres = (np.arange(size) + 0.5) / size
    x, y = x1 + centres * (x2 - x1), y1 + centres * (y2 - y1)
    inside: Mask = ((y >= box[1]) & (y < box[3]))[:, None] & ((x >= box[0]) & (x < box[2]))[None]
    return inside
