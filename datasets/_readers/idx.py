"""Data sets in MNIST's format: grey images in idx files."""

from functools import partial
from typing import Any

from PIL import Image as Picture

from .cache import find_data_root, open_or_download
from .lazy_images import LabelledPicture, LazyImages, shuffle_images


def load_idx(
    dataset_class: Any, page: str, *, split: str, size: int, root: str, seed: int, classes: list[str]
) -> LazyImages:
    """Load the images of a split, grey in all channels, read by torchvision's class. Raise UsageError if they are missing."""
    folder = find_data_root(root)
    open_source = partial(dataset_class, folder, train=split == "train")
    source = open_or_download(open_source, dataset_class.__name__, page, folder / dataset_class.__name__ / "raw")

    def read_picture(index: int) -> LabelledPicture:
        return LabelledPicture(Picture.fromarray(source.data[index].numpy()).convert("RGB"), int(source.targets[index]))

    names = [f"{split}-{index:05d}" for index in range(len(source))]
    return shuffle_images(names, read_picture, classes, seed=seed, size=size)
