"""Oxford-IIIT Pet: photos of 37 breeds of cats and dogs, each with the animal's mask (Parkhi et al., CVPR 2012)."""

from functools import partial
from pathlib import Path
from typing import Literal

from torchvision.datasets import OxfordIIITPet

from ._readers.cache import find_data_root, open_or_download
from ._readers.image_io import Resize, read, read_palette
from ._readers.lazy_images import LabelledPicture, LazyImages, shuffle_images

VERSION = 1
THREAD_SAFE = True
PAGE = "https://www.robots.ox.ac.uk/~vgg/data/pets/ (images.tar.gz and annotations.tar.gz)"
BACKGROUND = 2  # in a trimap, where 1 is the animal and 3 its outline, which counts as animal


def load(
    *,
    split: Literal["trainval", "test"] = "test",
    size: int = 224,
    resize: Resize = "crop",
    root: str = "",
    seed: int = 0,
) -> LazyImages:
    """Return the split's images in an order drawn from the seed; labels are breeds (`Basset Hound`), objects animals' masks.

    Names are file names. `root` is the folder that holds oxford-iiit-pet/images and oxford-iiit-pet/annotations, by default the
    data folder (CAMBENCH_DATA, or ~/.cache/cambench/data); torchvision downloads them there if they are missing. `resize` is as
    in image_folder. Raise UsageError
    if the download fails.
    """
    folder = find_data_root(root) / "oxford-iiit-pet"
    open_source = partial(OxfordIIITPet, folder.parent, split=split)
    source = open_or_download(open_source, "Oxford-IIIT Pet", PAGE, folder / "annotations")

    def read_picture(index: int) -> LabelledPicture:
        label, animal = int(source._labels[index]), read_palette(source._segs[index]) != BACKGROUND
        return LabelledPicture(read(source._images[index]), label, ((label, animal),))

    names = [Path(file).name for file in source._images]
    return shuffle_images(names, read_picture, source.classes, seed=seed, size=size, resize=resize)
