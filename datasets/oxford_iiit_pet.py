"""Oxford-IIIT Pet: photos of 37 breeds of cats and dogs, each with the animal's mask (Parkhi et al., CVPR 2012)."""

from functools import partial
from pathlib import Path
from typing import Literal

from torchvision.datasets import OxfordIIITPet

from ._readers.cache import fetched, root_of
from ._readers.image_io import Resize, read, read_palette
from ._readers.lazy_images import Found, Photos, drawn

VERSION = 1
PAGE = "https://www.robots.ox.ac.uk/~vgg/data/pets/ (images.tar.gz and annotations.tar.gz)"
BACKGROUND = 2  # of the trimap, whose 1 is the animal and 3 its outline, which belongs to it


def load(
    *,
    split: Literal["trainval", "test"] = "test",
    size: int = 224,
    resize: Resize = "crop",
    root: str = "",
    seed: int = 0,
) -> Photos:
    """The split's images in an order drawn by the seed, each with its trimap as a mask; classes are breeds (`Basset Hound`).

    `root` is the folder that holds oxford-iiit-pet/images and oxford-iiit-pet/annotations, by default that of CAMBENCH_DATA or
    ~/.cache/cambench/data; they are fetched where they are not there. `resize` is as image_folder has it. Raises UsageError
    without them.
    """
    folder = root_of(root) / "oxford-iiit-pet"
    open_ = partial(OxfordIIITPet, folder.parent, split=split)
    source = fetched(open_, "Oxford-IIIT Pet", PAGE, folder / "annotations")

    def look(index: int) -> Found:
        label, animal = int(source._labels[index]), read_palette(source._segs[index]) != BACKGROUND
        return Found(read(source._images[index]), label, ((label, animal),))

    names = [Path(file).name for file in source._images]
    return drawn(names, look, source.classes, seed=seed, size=size, resize=resize)
