"""ImageNet's validation images in torchvision's layout, a folder a class, with their boxes where those are there."""

from pathlib import Path

from ._readers.cache import missing, root_of
from ._readers.folder import classed
from ._readers.image_io import Resize, read
from ._readers.lazy_images import Found, Photos, drawn
from ._readers.voc import boxes

VERSION = 1
PAGE = "https://www.image-net.org/download.php"


def load(*, size: int = 224, resize: Resize = "crop", root: str = "", seed: int = 0) -> Photos:
    """The validation images in an order drawn by the seed; the classes are their folders, n01440764 and so on, which nets know.

    `root` is the folder that holds val/ with a folder a class (torchvision's ImageNet(split="val") makes it of the archive),
    by default imagenet/ in that of CAMBENCH_DATA or ~/.cache/cambench/data; boxes are taken of bbox/val/ in it (of the archive
    ILSVRC2012_bbox_val_v3). `resize` is as image_folder has it. Raises UsageError without the images.
    """
    folder = Path(root) if root else root_of("") / "imagenet"
    entries, classes = classed(folder / "val") if (folder / "val").is_dir() else ([], ())
    if not entries:
        raise missing("ImageNet is not here, and may not be fetched without an account", PAGE, folder / "val")
    labels = {name: label for label, name in enumerate(classes)}

    def look(index: int) -> Found:
        entry = entries[index]
        annotated = folder / "bbox" / "val" / f"{entry.path.stem}.xml"
        return Found(read(entry.path), entry.label, boxes(annotated, labels) if annotated.is_file() else ())

    names = [entry.path.relative_to(folder / "val").as_posix() for entry in entries]
    return drawn(names, look, classes, seed=seed, size=size, resize=resize)
