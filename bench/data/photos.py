"""One photo as an image, read and brought to size as the data set of folders has it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from ..core import plugins
from ..core.errors import UsageError
from ..core.plugins import DATASET
from .types import Image

Photo = str | Path | Picture.Image | NDArray[np.uint8] | Image
SIZE = 224  # pixels, where neither the user nor the net says


def photo(source: str | Path | Picture.Image, *, size: int = SIZE, resize: str | None = None) -> Image:
    """A photo, from a file or as PIL's image, `size` pixels wide and high; `resize` is crop, crop-all or squash.

    Raises UsageError for a file that is not there or cannot be read as an image.
    """
    if isinstance(source, str | Path):
        source = file_of(source)
    _, module = plugins.opener(DATASET)
    image: Image = module.photo(source, size=size, **({"resize": resize} if resize else {}))
    return image


def file_of(source: str | Path) -> Path:
    """The file of a photo. Raises UsageError where there is none."""
    file = Path(source)
    if file.is_dir():
        raise UsageError(f"{file} is a folder: name its images, such as {file}/*")
    if not file.is_file():
        raise UsageError(f"there is no file {file}")
    return file


def as_image(given: Photo, size: int, resize: str | None) -> Image:
    """What is given as an image: an array or an image as it is, else a photo. Raises UsageError for what is none."""
    if isinstance(given, Image):
        return given
    if isinstance(given, np.ndarray):
        if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3:
            raise UsageError(f"an image is an array (h, w, 3) of bytes (uint8), not {given.shape} of {given.dtype}")
        return Image("array", given, None)
    if not isinstance(given, str | Path | Picture.Image):
        raise UsageError(
            f"an image is a file, PIL's picture, an array of bytes or one of a data set, not {type(given).__name__}"
        )
    return photo(given, size=size, resize=resize)
