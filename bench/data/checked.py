"""Opens data sets. Images from a user's own file are checked, and its errors become PluginErrors that name the file."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..core.errors import PluginError, show_value
from ..core.plugins import Plugin
from ..core.user_code import blame_user_code
from .types import Image, Images

MAX_LABELS = 10**6  # for data sets whose classes have no names
MAX_VALUES = 3 * 2**26  # of pixels: an image of 8,192 x 8,192
MAX_NAME = 4096  # characters


def open_dataset(dataset: Plugin) -> Images:
    """Return the images of a data set.

    Those of a user's own file raise PluginError for any error in it, here and at each image.
    """
    if not dataset.foreign:
        images: Images = dataset()
        return images
    with blame_user_code(f"{dataset.name}.py fails", dataset.file):  # a data set may not refuse, as other plug-ins may
        images = dataset.function(**dataset.settings)
    return _UserImages(images, dataset.name, dataset.file)


def list_notes(images: Images) -> list[str]:
    """List what a data set has to say when a run starts."""
    return list(getattr(images, "notes", ()))


@dataclass(frozen=True)
class _UserImages:
    """The images of a user's own file, checked."""

    images: Images
    stem: str
    file: str

    @cached_property
    def classes(self) -> tuple[str, ...]:
        with self._blame("classes"):
            names = tuple(self.images.classes)
            is_text = isinstance(self.images.classes, str)
        if is_text or not all(isinstance(name, str) and name.isprintable() for name in names):
            raise PluginError(
                f"{self.stem}.py gives classes {show_value(names)}: classes is a tuple of printable names, empty where there "
                "are none"
            )
        if len(set(names)) < len(names):
            raise PluginError(f"{self.stem}.py names a class twice")
        return names

    @property
    def notes(self) -> tuple[str, ...]:
        with self._blame("notes"):
            given = getattr(self.images, "notes", ())
            notes = tuple(given)
        if isinstance(given, str) or not all(isinstance(note, str) for note in notes):
            raise PluginError(f"{self.stem}.py gives notes {given!r}: notes is a tuple of texts")
        return notes

    def name(self, index: int) -> str:
        with self._blame("name()"):
            name = self.images.name(index)
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise PluginError(f"{self.stem}.py names an image {show_value(name)}: a name is a printable string")
        return name

    def __len__(self) -> int:
        with self._blame("len()"):
            return len(self.images)

    def __getitem__(self, index: int) -> Image:
        with self._blame():
            return self._check(self.images[index], self.name(index))

    def _blame(self, what: str = "") -> AbstractContextManager[None]:
        return blame_user_code(f"{self.stem}.py fails{what and f' ({what})'}", self.file)

    def _check(self, image: Image, name: str) -> Image:
        """Return the image with copies of its arrays, which the data set may fill again.

        Raise PluginError for a wrong name, note, label, mask or array of pixels.
        """
        start = f"{self.stem}.py gives image {name} "
        if not isinstance(image, Image):
            raise PluginError(f"{start}as {type(image).__name__}: an image is a cambench.Image")
        if image.name != name:
            raise PluginError(f"{start}the name {show_value(image.name)}: name() and the image must give the same name")
        if not isinstance(image.note, str):
            raise PluginError(f"{start}the note {show_value(image.note)}: a note is a text")
        pixels = image.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            kind = getattr(pixels, "dtype", type(pixels).__name__)
            raise PluginError(f"{start}as {kind} of shape {np.shape(pixels)}: pixels are an array of uint8, (h, w, 3)")
        if not 0 < pixels.size <= MAX_VALUES:
            raise PluginError(f"{start}in {pixels.shape[1]} x {pixels.shape[0]} pixels: that is too few or too many")
        for label in (image.label, *(marked.label for marked in image.objects)):
            if label is not None and (not isinstance(label, int | np.integer) or not 0 <= label < self._labels):
                raise PluginError(
                    f"{start}the label {show_value(label)}: a label is None or an integer from 0 to {self._labels - 1}"
                )
        for marked in image.objects:
            if marked.mask.dtype != np.bool_ or marked.mask.shape != pixels.shape[:2]:
                kind = f"{marked.mask.dtype} of shape {marked.mask.shape}"
                raise PluginError(f"{start}a mask as {kind}: masks are bool, {pixels.shape[:2]} as the image")
        # an object of which no pixel is in the image is none, as in data sets that are read from files
        objects = tuple(replace(marked, mask=marked.mask.copy()) for marked in image.objects if marked.mask.any())
        return replace(image, pixels=pixels.copy(order="C"), objects=objects)

    @property
    def _labels(self) -> int:
        return len(self.classes) or MAX_LABELS
