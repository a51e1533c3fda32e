"""Pictures from files: read whatever their mode, turned upright, and brought to size together with their boxes and masks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Picture

from ...bench.core.errors import UsageError
from ...bench.data.types import Mask, Pixels
from .remote import readable

Resize = Literal["crop", "crop-all", "squash"]
Box = tuple[float, float, float, float]  # x1 y1 x2 y2, as shares of the picture's width and height
Region = Box | Mask  # where an object is: a box, or a mask (h, w) of the picture as it stands upright

LYING = (5, 6, 7, 8)  # EXIF orientations of pictures that are stored on their side
CROP = 256 / 224  # torchvision's: the shorter side is brought to 256, and 224 are cut from the middle


def read(path: Path) -> Picture.Image:
    """A picture in RGB, upright as its EXIF says: grey, palette, CMYK and 16-bit ones converted, transparent ones on white."""
    return coloured(_loaded(path))


def coloured(picture: Picture.Image) -> Picture.Image:
    """A picture of any mode in RGB."""
    if picture.mode.startswith("I"):
        picture = Picture.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Picture.alpha_composite(Picture.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def read_mask(path: Path) -> Mask:
    """Where a picture is not 0 (of a palette, its first colour; black, where it has colours): (h, w)."""
    values = np.asarray(_loaded(path))
    mask: Mask = (values if values.ndim == 2 else values[..., : 3 if values.shape[2] > 2 else 1].any(2)) != 0
    return mask


def read_palette(path: Path) -> NDArray[np.uint8]:
    """The numbers of a palette picture's colours, (h, w): how class and object masks are kept."""
    return np.asarray(_loaded(path))


def extent(path: Path) -> tuple[int, int]:
    """A picture's width and height as it stands upright, without reading its pixels (but a TIFF's)."""
    with _opened(path) as file:
        if file.format == "TIFF":
            file.load()  # turns it
            return file.size
        width, height = file.size
        exif = Picture.Image.getexif(file)  # a PNG's own would read the pixels
        return (height, width) if exif.get(ExifTags.Base.Orientation) in LYING else (width, height)


def _loaded(path: Path) -> Picture.Image:
    with _opened(path) as file:
        file.load()
        return ImageOps.exif_transpose(file)


@contextmanager
def _opened(path: Path) -> Iterator[Picture.Image]:
    try:
        with Picture.open(readable(path)) as file:
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


def covered(region: Region, window: Box, size: int) -> Mask:
    """The pixels (size, size) whose centres lie in a box or on a mask, in the image that shows a window of the picture."""
    x1, y1, x2, y2 = window
    centres = (np.arange(size) + 0.5) / size
    x, y = x1 + centres * (x2 - x1), y1 + centres * (y2 - y1)
    if isinstance(region, tuple):
        left, top, right, bottom = region
        inside: Mask = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
        return inside
    height, width = region.shape
    return region[(y * height).astype(np.int64)[:, None], (x * width).astype(np.int64)[None]]
