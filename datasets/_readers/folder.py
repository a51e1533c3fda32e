"""Image files in a folder: listed, labelled by their sub-folders, and opened as a data set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...bench.core.errors import UsageError
from .image_io import Box, Region, Resize, read, read_mask
from .lazy_images import LabelledPicture, LazyImages, shuffle_images

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}


@dataclass(frozen=True)
class LabelledFile:
    """An image file, and its label and object if they are known."""

    path: Path
    label: int | None
    box: Box | None = None
    mask: Path | None = None

    def read(self) -> LabelledPicture:
        """Read the picture, with its label and object."""
        region: Region | None = read_mask(self.mask) if self.mask else self.box
        regions = () if self.label is None or region is None else ((self.label, region),)
        return LabelledPicture(read(self.path), self.label, regions)


def open_entries(
    root: Path, entries: Sequence[LabelledFile], classes: Sequence[str], *, size: int, resize: Resize, seed: int
) -> LazyImages:
    """Return the images of entries in an order drawn from the seed, named by their paths relative to `root`."""
    names = [entry.path.relative_to(root).as_posix() for entry in entries]
    return shuffle_images(names, lambda index: entries[index].read(), classes, size=size, resize=resize, seed=seed)


def list_images(root: Path) -> tuple[list[LabelledFile], tuple[str, ...]]:
    """List the images of a folder and their classes: each sub-folder is a class; images without sub-folders have no label.

    Raise UsageError for a folder that holds both.
    """
    inside = [path for path in root.iterdir() if not path.name.startswith(".")]
    folders = sorted(path for path in inside if path.is_dir() and _select_image_files(path.rglob("*")))
    loose = _select_image_files(inside)
    if loose and folders:
        raise UsageError(
            f"{root} holds both images ({loose[0].name}) and folders of images ({folders[0].name}): put each image "
            "into the folder of its class, or all into one folder, or name them in a labels.csv"
        )
    entries = [
        LabelledFile(path, label)
        for label, folder in enumerate(folders)
        for path in _select_image_files(folder.rglob("*"))
    ]
    return entries or [LabelledFile(path, None) for path in loose], tuple(folder.name for folder in folders)


def _select_image_files(paths: Iterable[Path]) -> list[Path]:
    """Return the image files among these paths, sorted, without hidden ones (macOS adds a hidden file to each)."""
    visible = (path for path in paths if not path.name.startswith("."))
    return sorted(path for path in visible if path.suffix.lower() in EXTENSIONS and path.is_file())
