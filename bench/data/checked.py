"""A data set opened: one of a user's own file is watched, so that whatever it raises or makes is told in words."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import UsageError
from ..core.plugins import Plugin
from ..core.user_code import blamed
from .types import Image, Images

MOST = 10**6  # labels, where classes have no names


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
        with self._blamed("classes"):
            names = tuple(self.images.classes)
        if isinstance(self.images.classes, str) or not all(isinstance(name, str) for name in names):
            raise UsageError(
                f"{self.stem}.py gives classes {names}: they are a tuple of names, empty where there are none"
            )
        if len(set(names)) < len(names):
            raise UsageError(f"{self.stem}.py names a class twice")
        return names

    def name(self, index: int) -> str:
        with self._blamed("name()"):
            name = self.images.name(index)
        if not isinstance(name, str) or not name.isprintable():
            raise UsageError(f"{self.stem}.py names an image {name!r}: a name is a printable text")
        return name

    def __len__(self) -> int:
        with self._blamed("len()"):
            return len(self.images)

    def __getitem__(self, index: int) -> Image:
        with self._blamed():
            return self._checked(self.images[index], self.name(index))

    def _blamed(self, what: str = "") -> AbstractContextManager[None]:
        return blamed(f"{self.stem}.py fails{what and f' ({what})'}", self.file)

    def _checked(self, image: Image, name: str) -> Image:
        """The image as the harness takes it. Raises UsageError for what is none, or another than it is called."""
        said = f"{self.stem}.py gives {name} "
        if image.name != name:
            raise UsageError(f"{said}under the name {image.name!r}: they are one")
        pixels = image.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            raise UsageError(f"{said}as {kind} of shape {np.shape(pixels)}: pixels are an array of uint8, (h, w, 3)")
        for label in (image.label, *(thing.label for thing in image.objects)):
            if label is not None and (not isinstance(label, int | np.integer) or not 0 <= label < self._labels):
                raise UsageError(f"{said}the label {label!r}: it is None, or a whole number below {self._labels}")
        for thing in image.objects:
            if thing.mask.dtype != np.bool_ or thing.mask.shape != pixels.shape[:2]:
                kind = f"{thing.mask.dtype} of shape {thing.mask.shape}"
                raise UsageError(f"{said}a mask as {kind}: masks are bool, {pixels.shape[:2]} as the image")
        return replace(image, pixels=np.ascontiguousarray(pixels))

    @property
    def _labels(self) -> int:
        return len(self.classes) or MOST
