"""The images, objects and labels of a data set."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MEAN = (
    0.485,
    0.456,
    0.406,
)  # of ImageNet's colours in [0, 1]; torchvision's classifiers expect inputs normalised by them
STD = (0.229, 0.224, 0.225)

Pixels = NDArray[np.uint8]  # (h, w, 3), RGB
Mask = NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class Object:
    """An object in an image: its label (None if its class is unknown), and the pixels that it covers."""

    label: int | None
    mask: Mask


@dataclass(frozen=True)
class Image:
    """An image, its label (None if there is none), and its objects, the labelled one first."""

    name: str  # unique in its data set
    pixels: Pixels
    label: int | None
    objects: tuple[Object, ...] = ()
    note: str = ""  # what should be said of how it was read

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the pixels as hexadecimal digits."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()


class Images(Protocol):
    """A data set: a sequence of images, each made or read when it is indexed."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels; empty if labels are class indices of a net."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be said of the data set when a run starts, in sentences. A user's own data set need not have it."""

    def name(self, index: int) -> str:
        """Return the name of an image, without making or reading the image."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Image: ...
