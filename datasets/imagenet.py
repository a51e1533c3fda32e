"""ImageNet's validation images in torchvision's layout (one folder for each class), with boxes if their files are there."""

from pathlib import Path

from ._readers.cache import find_data_root, make_missing_error
from ._readers.folder import Listing, list_images
from ._readers.image_io import Resize, read
from ._readers.lazy_images import LabelledPicture, LazyImages, shuffle_images
from ._readers.voc import read_boxes

VERSION = 1
THREAD_SAFE = True
PAGE = "https://www.image-net.org/download.php"


def load(*, size: int = 224, resize: Resize = "crop", root: str = "", seed: int = 0) -> LazyImages:
    """Return the validation images in an order drawn from the seed, with their labels and, if known, the boxes of objects.

    Names are paths in val/; classes are its folders, n01440764 and so on, which nets know. `root` is the folder that holds val/
    (torchvision's ImageNet(split="val") creates it from the archive) and perhaps bbox/val/ (from the archive
    ILSVRC2012_bbox_val_v3), by default imagenet/ in the data folder (CAMBENCH_DATA, or ~/.cache/cambench/data). `resize` is as
    in image_folder. Raise UsageError if the images are missing.
    """
    folder = Path(root) if root else find_data_root("") / "imagenet"
    listing = list_images(folder / "val") if (folder / "val").is_dir() else Listing([])
    entries, classes = listing.entries, listing.classes
    if not entries:
        raise make_missing_error(
            "ImageNet is missing, and cannot be downloaded without an account", PAGE, folder / "val"
        )
    labels = {name: label for label, name in enumerate(classes)}

    def read_picture(index: int) -> LabelledPicture:
        entry = entries[index]
        annotations = folder / "bbox" / "val" / f"{entry.path.stem}.xml"
        return LabelledPicture(
            read(entry.path), entry.label, read_boxes(annotations, labels) if annotations.is_file() else ()
        )

    names = [entry.path.relative_to(folder / "val").as_posix() for entry in entries]
    return shuffle_images(names, read_picture, classes, seed=seed, size=size, resize=resize)
