"""A data set opened: one of a user's own file is watched, so that whatever it raises or makes is told in words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import UsageError
from .images import Image, Images
from .own import blamed
from .plugins import Plugin


def opened(dataset: Plugin) -> Images:
    """The images of a data set. Raises UsageError for whatever a user's own file raises, here and with any image."""
    images: Images = dataset()
    return _Watched(images, dataset.name, str(dataset.module.__file__)) if dataset.fingerprint else images


@dataclass(frozen=True)
class _Watched:
    """The images of a user's own file."""

    images: Images
    stem: str
    file: str

    @property
    def classes(self) -> tuple[str, ...]:
        with self._blamed():
            return tuple(self.images.classes)

    def name(self, index: int) -> str:
        with self._blamed():
            return self.images.name(index)

    def __len__(self) -> int:
        with self._blamed():
            return len(self.images)

    def __getitem__(self, index: int) -> Image:
        with self._blamed():
            image = self.images[index]
            self._check(image)
            return image

    def _blamed(self) -> Any:
        return blamed(f"{self.stem}.py fails", self.file)

    def _check(self, image: Image) -> None:
        pixels = np.asarray(image.pixels)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise UsageError(
                f"{self.stem}.py gives {image.name} as {pixels.dtype} of shape {pixels.shape}: pixels are uint8, (h, w, 3)"
            )
        for thing in image.objects:
            if thing.mask.dtype != np.bool_ or thing.mask.shape != pixels.shape[:2]:
                raise UsageError(
                    f"{self.stem}.py gives a mask of {image.name} as {thing.mask.dtype} of shape {thing.mask.shape}: "
                    f"masks are bool, {pixels.shape[:2]} as the image"
                )
