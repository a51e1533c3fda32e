"""Images that are read from their files when they are accessed, in an order drawn from a seed, all resized to one size."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Picture

from ...bench.data.types import Image, Object
from .image_io import Region, Resize, check_size, fit_picture, mask_region


@dataclass(frozen=True)
class LabelledPicture:
    """A picture, its label (None if it has none), and its objects: class and region, that of the label first."""

    picture: Picture.Image  # RGB
    label: int | None
    regions: tuple[tuple[int, Region], ...] = ()
    note: str = ""  # what should be said of how it was read


@dataclass(frozen=True)
class LazyImages:
    """Images of `size` pixels. A picture is read by its index when its image is accessed."""

    names: Sequence[str]
    read_picture: Callable[[int], LabelledPicture]
    order: Sequence[int]
    classes: tuple[str, ...]  # empty if labels are class indices without names
    size: int
    resize: Resize
    notes: tuple[str, ...] = ()  # what should be said of the data set when a run starts

    def __repr__(self) -> str:
        return f"<LazyImages: {len(self)} of {self.size} x {self.size} pixels, {len(self.classes)} classes>"

    def __len__(self) -> int:
        return len(self.order)

    def name(self, index: int) -> str:
        return self.names[self.order[index]]

    def __getitem__(self, index: int) -> Image:
        source = self.read_picture(self.order[index])
        pixels, window = fit_picture(source.picture, self.size, self.resize)
        objects = (Object(label, mask_region(region, window, self.size)) for label, region in source.regions)
        marked = tuple(marked for marked in objects if marked.mask.any())
        return Image(self.name(index), pixels, source.label, marked, source.note)


def shuffle_images(
    names: Sequence[str],
    read_picture: Callable[[int], LabelledPicture],
    classes: Sequence[str],
    *,
    seed: int,
    size: int,
    resize: Resize = "squash",
) -> LazyImages:
    """Put images in an order drawn from the seed, so that the first n are a random sample. Raise UsageError for a bad size."""
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    return order_images(names, read_picture, classes, order=order, size=size, resize=resize)


def order_images(
    names: Sequence[str],
    read_picture: Callable[[int], LabelledPicture],
    classes: Sequence[str],
    *,
    order: Sequence[int],
    size: int,
    resize: Resize,
) -> LazyImages:
    """Put images in the given order. Raise UsageError for a bad size."""
    check_size(size)
    return LazyImages(names, read_picture, order, tuple(classes), size, resize)


def compute_area(region: Region) -> float:
    """Return a region's share of the picture."""
    if isinstance(region, tuple):
        return (region[2] - region[0]) * (region[3] - region[1])
    return float(region.mean())
