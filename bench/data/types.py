"""What a data set hands to the harness: labelled images, and where their objects are."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's colours in [0, 1]: what torchvision's classifiers are normalised by
STD = (0.229, 0.224, 0.225)

Pixels = NDArray[np.uint8]  # (h, w, 3), RGB
Mask = NDArray[np.bool_]  # (h, w)


@dataclass(frozen=True)
class Object:
    """An object in an image: its class index (None where the net has no such class), and the pixels that it covers."""

    label: int | None
    mask: Mask


@dataclass(frozen=True)
class Image:
    """An image with its data set's label (None where there is none), and its objects, the labelled one first."""

    name: str  # unique in its data set
    pixels: Pixels
    label: int | None
    objects: tuple[Object, ...] = ()


class Images(Protocol):
    """A data set: images by number, made or read when asked for."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels; empty where labels are a net's class indices."""

    def name(self, index: int) -> str:
        """The name of an image, without making or reading it."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Image: ...
