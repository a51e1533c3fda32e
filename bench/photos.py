"""One photo as an image, read and brought to size as the data set of folders has it."""

from pathlib import Path
from typing import Any

from . import plugins
from .errors import UsageError
from .images import Image
from .plugins import DATASET

SIZE = 224  # pixels, where neither the user nor the net says


def photo(source: Any, *, size: int = SIZE, resize: str | None = None) -> Image:
    """A photo, from a file or as PIL's image, `size` pixels wide and high; `resize` is crop, crop-all or squash.

    Raises UsageError for a file that is not there or cannot be read as an image.
    """
    if isinstance(source, str | Path):
        source = Path(source)
        if source.is_dir():
            raise UsageError(f"{source} is a folder: name its images, such as {source}/*")
        if not source.is_file():
            raise UsageError(f"there is no file {source}")
    _, module = plugins.opener(DATASET)
    image: Image = module.photo(source, size=size, **({"resize": resize} if resize else {}))
    return image
