"""MNIST and what is kept as MNIST is: grey images in idx files."""

from functools import partial
from typing import Any

from PIL import Image as Picture

from .cache import fetched, root_of
from .lazy_images import Found, Photos, drawn


def loaded(kind: Any, page: str, *, split: str, size: int, root: str, seed: int, classes: list[str]) -> Photos:
    """The images of a split of MNIST or its kind, grey in all channels. Raises UsageError where they cannot be had."""
    folder = root_of(root)
    open_ = partial(kind, folder, train=split == "train")
    source = fetched(open_, kind.__name__, page, folder / kind.__name__ / "raw")

    def look(index: int) -> Found:
        return Found(Picture.fromarray(source.data[index].numpy()).convert("RGB"), int(source.targets[index]))

    names = [f"{split}-{index:05d}" for index in range(len(source))]
    return drawn(names, look, classes, seed=seed, size=size)
