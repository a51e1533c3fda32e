"""Image files: read in any mode, rotated upright, and resized together with their boxes and masks."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, ImageOps, UnidentifiedImageError
from PIL import Image as Picture

from ...bench.core.errors import ImageError, UsageError
from ...bench.core.files import decode_name
from ...bench.data.types import Mask, Pixels
from .depth import RgbPicture, describe_tiff, read_depth, to_rgb
from .remote import make_readable

Resize = Literal["crop", "crop-all", "squash"]
Box = tuple[float, float, float, float]  # x1 y1 x2 y2, as shares of the picture's width and height
Region = Box | Mask  # an object's box, or its mask (h, w) on the upright picture

DECODING_ERRORS = (  # of Pillow's decoders, for damaged files
    OSError, SyntaxError, ValueError, TypeError, RuntimeError, EOFError, LookupError, ArithmeticError, struct.error, zlib.error,
    Picture.DecompressionBombError,
)  # fmt: skip
SIZES = (8, 8192)  # pixels: the least and the largest side of an image
FIRST_OF_SEVERAL = "it holds several pages or frames, of which the first is read: save the others as files of their own"
LYING = (5, 6, 7, 8)  # EXIF orientations that swap width and height
CROP = 256 / 224  # torchvision's: the shorter side becomes 256 pixels, of which the central 224 are kept


def read(path: Path) -> Picture.Image:
    """Read a picture of 8 bits in RGB, as `read_rgb` does."""
    return read_rgb(path).picture


def read_rgb(path: Path) -> RgbPicture:
    """Read a picture of any mode in RGB, rotated as its EXIF data say; transparent pictures are put on white.

    Raise ImageError for a file that cannot be read as an image.
    """
    with _open(path) as file:
        return convert(file, upright=True)


def convert(picture: Picture.Image, *, upright: bool = False) -> RgbPicture:
    """Return a picture in RGB, and rotate it as its EXIF data say if it should be `upright`.

    The note says how its values were read, and whether other pages or frames follow that are not. Raise one of DECODING_ERRORS
    for a picture that cannot be read.
    """
    depth, several = read_depth(picture), FIRST_OF_SEVERAL if _is_first_of_several(picture) else ""
    picture.load()
    rgb = to_rgb(ImageOps.exif_transpose(picture) if upright else picture, depth)
    return replace(rgb, note="; ".join(filter(None, (rgb.note, several))))


def _is_first_of_several(picture: Picture.Image) -> bool:
    """Tell whether pages or frames follow that may be other pictures. In an MPO they are previews of the first."""
    return getattr(picture, "is_animated", False) and picture.format != "MPO" and picture.tell() == 0


def read_mask(path: Path) -> Mask:
    """Read the pixels (h, w) of a picture that are not 0: not the first colour of a palette, and not black in RGB.

    Raise ImageError for a file that cannot be read as an image.
    """
    values = np.asarray(_load(path))
    mask: Mask = (values if values.ndim == 2 else values[..., : 3 if values.shape[2] > 2 else 1].any(2)) != 0
    return mask


def read_palette(path: Path) -> NDArray[np.uint8]:
    """Read the palette indices (h, w) of a picture, the format of class and object masks.

    Raise ImageError for a file that cannot be read as an image.
    """
    return np.asarray(_load(path))


def read_size(path: Path) -> tuple[int, int]:
    """Read the width and height of the upright picture, without its pixels (except for a TIFF).

    Raise ImageError for a file that cannot be read as an image.
    """
    with _open(path) as file:
        if file.format == "TIFF":
            file.load()  # rotates it
            return file.size
        width, height = file.size
        exif = Picture.Image.getexif(file)  # the method of PNG files would read the pixels
        return (height, width) if exif.get(ExifTags.Base.Orientation) in LYING else (width, height)


def _load(path: Path) -> Picture.Image:
    with _open(path) as file:
        file.load()
        return ImageOps.exif_transpose(file)


@contextmanager
def _open(path: Path) -> Iterator[Picture.Image]:
    try:
        with Picture.open(make_readable(path)) as file:
            yield file
    except Picture.DecompressionBombError:
        most = 2 * (Picture.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ImageError(f"{decode_name(path)} has more than {most:.0f} million pixels: scale it down") from None
    except DECODING_ERRORS as error:
        reason = _describe_unknown(path) if isinstance(error, UnidentifiedImageError) else decode_name(error)
        raise ImageError(
            f"{decode_name(path)} cannot be read as an image ({reason}): repair it, or remove it from the data set"
        ) from None


def check_size(size: int) -> None:
    """Raise UsageError for a side of images, in pixels, that no net takes."""
    if not SIZES[0] <= size <= SIZES[1]:
        few = "few" if size < SIZES[0] else "many"
        raise UsageError(f"size: {size} pixels are too {few} for any net; set {SIZES[0]} to {SIZES[1]}, usually 224")


def _describe_unknown(path: Path) -> str:
    """Say why Pillow does not know a file."""
    readable = make_readable(path)
    with readable if isinstance(readable, BytesIO) else readable.open("rb") as file:
        return describe_tiff(file) or "its format is not known, or its first bytes are damaged"


def fit_picture(picture: Picture.Image, size: int, resize: Resize) -> tuple[Pixels, Box]:
    """Return the resized image (size, size, 3), and the window that it shows: x1 y1 x2 y2 as shares of the picture."""
    width, height = picture.size
    if resize == "squash":
        return np.asarray(picture.resize((size, size), Picture.Resampling.BILINEAR)), (0.0, 0.0, 1.0, 1.0)
    side = min(width, height) / (CROP if resize == "crop" else 1)
    left, top = (width - side) / 2, (height - side) / 2
    cut = picture.resize((size, size), Picture.Resampling.BILINEAR, (left, top, left + side, top + side))
    return np.asarray(cut), (left / width, top / height, (left + side) / width, (top + side) / height)


def mask_region(region: Region, window: Box, size: int) -> Mask:
    """Return the mask (size, size) of a region in the resized image: pixels whose centres lie in its box or on its mask."""
    x1, y1, x2, y2 = window
    centres = (np.arange(size) + 0.5) / size
    x, y = x1 + centres * (x2 - x1), y1 + centres * (y2 - y1)
    if isinstance(region, tuple):
        left, top, right, bottom = region
        inside: Mask = ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
        return inside
    height, width = region.shape
    return region[(y * height).astype(np.int64)[:, None], (x * width).astype(np.int64)[None]]
