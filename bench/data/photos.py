"""Reads one photo as an image, resized by the data set that opens folders."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from ..core import plugins
from ..core.errors import UsageError
from ..core.plugins import DATASET
from .types import Image

Photo = str | Path | Picture.Image | NDArray[np.uint8] | Image
SIZE = 224  # pixels: the default side of photos


def read_photo(source: str | Path | Picture.Image, *, size: int = SIZE, resize: str | None = None) -> Image:
    """Read a photo from a file or a PIL image, `size` pixels wide and high. `resize` is crop, crop-all or squash.

    Raise UsageError for a file that does not exist or is not an image.
    """
    if isinstance(source, str | Path):
        source = find_photo(source)
    _, module = plugins.find_folder_opener(DATASET)
    image: Image = module.photo(source, size=size, **({"resize": resize} if resize else {}))
    return image


def find_photo(source: str | Path) -> Path:
    """Return the file of a photo. Raise UsageError if it does not exist."""
    file = Path(source)
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name its images, such as {file}/*")
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    return file


def to_image(photo: Photo, size: int, resize: str | None) -> Image:
    """Return an image or array as it is, a file or PIL image as a photo. Raise UsageError for anything else."""
    if isinstance(photo, Image):
        return photo
    if isinstance(photo, np.ndarray):
        if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[2] != 3:
            raise UsageError(f"an image array is (h, w, 3) of uint8, not {photo.shape} of {photo.dtype}")
        return Image("array", photo, None)
    if not isinstance(photo, str | Path | Picture.Image):
        raise UsageError(
            f"an image is a file, a PIL image, an array of uint8 or an image of a data set, not {type(photo).__name__}"
        )
    return read_photo(photo, size=size, resize=resize)
