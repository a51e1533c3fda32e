"""Images made of pictures when they are asked for: in an order drawn by a seed, all brought to one size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture

from ...bench.core.errors import UsageError
from ...bench.data.types import Image, Object
from .image_io import Region, Resize, covered, fitted

LEAST = 8  # pixels: too few for any net


@dataclass(frozen=True)
class Found:
    """A picture, its label (None where there is none), and its objects: class and place, the labelled one first."""

    picture: Picture.Image  # RGB
    label: int | None
    things: tuple[tuple[int, Region], ...] = ()


@dataclass(frozen=True)
class Photos:
    """Images of `size` pixels; the pictures are looked up by number, and stay where they are until then."""

    names: Sequence[str]
    look: Callable[[int], Found]
    order: Sequence[int]
    classes: tuple[str, ...]  # empty where labels are class indices without names
    size: int
    resize: Resize

    def __len__(self) -> int:
        return len(self.order)

    def name(self, index: int) -> str:
        return self.names[self.order[index]]

    def __getitem__(self, index: int) -> Image:
        found = self.look(self.order[index])
        pixels, window = fitted(found.picture, self.size, self.resize)
        objects = (Object(label, covered(region, window, self.size)) for label, region in found.things)
        return Image(self.name(index), pixels, found.label, tuple(thing for thing in objects if thing.mask.any()))


def drawn(
    names: Sequence[str],
    look: Callable[[int], Found],
    classes: Sequence[str],
    *,
    seed: int,
    size: int,
    resize: Resize = "squash",
) -> Photos:
    """Images in an order drawn by the seed, so that the first n are a sample of all. Raises UsageError for a tiny size."""
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    return ordered(names, look, classes, order=order, size=size, resize=resize)


def ordered(
    names: Sequence[str],
    look: Callable[[int], Found],
    classes: Sequence[str],
    *,
    order: Sequence[int],
    size: int,
    resize: Resize,
) -> Photos:
    """Images in this order. Raises UsageError for a tiny size."""
    if size < LEAST:
        raise UsageError(f"size: {size} pixels are too few for any net; {LEAST} is the least, 224 the usual")
    return Photos(names, look, order, tuple(classes), size, resize)


def area(region: Region) -> float:
    """A region's share of the picture, for telling which object is the largest."""
    if isinstance(region, tuple):
        return (region[2] - region[0]) * (region[3] - region[1])
    return float(region.mean())
