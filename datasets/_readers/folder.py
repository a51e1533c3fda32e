"""Image files in a folder: listed, labelled by their sub-folders, and opened as a data set."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...bench.core.errors import ImageError, UsageError
from ...bench.core.files import decode_name
from ...bench.core.formatting import format_count
from .image_io import Box, Region, Resize, read_mask, read_rgb
from .lazy_images import LabelledPicture, LazyImages, shuffle_images

EXTENSIONS = {  # of the formats of photos that Pillow reads
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg",
    ".jpx", ".pbm", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp",
}  # fmt: skip


@dataclass(frozen=True)
class LabelledFile:
    """An image file, and its label and object if they are known."""

    path: Path
    label: int | None
    box: Box | None = None
    mask: Path | None = None
    fault: str = ""  # why the picture or its mask cannot be read, if that is known

    def read(self) -> LabelledPicture:
        """Read the picture, with its label and object. Raise ImageError for a file that cannot be read as an image."""
        if self.fault:
            raise ImageError(self.fault)
        region: Region | None = read_mask(self.mask) if self.mask else self.box
        regions = () if self.label is None or region is None else ((self.label, region),)
        rgb = read_rgb(self.path)
        return LabelledPicture(rgb.picture, self.label, regions, rgb.note)


@dataclass(frozen=True)
class Listing:
    """The image files of a folder, the names of their classes (none without labels), and what should be said of others."""

    entries: Sequence[LabelledFile]
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def open_entries(root: Path, listing: Listing, *, size: int, resize: Resize, seed: int) -> LazyImages:
    """Return the images of a listing in an order drawn from the seed, named by their paths relative to `root`."""
    entries = listing.entries
    names = [decode_name(entry.path.relative_to(root).as_posix()) for entry in entries]
    images = shuffle_images(
        names, lambda index: entries[index].read(), listing.classes, size=size, resize=resize, seed=seed
    )
    return replace(images, notes=listing.notes)


def list_images(root: Path) -> Listing:
    """List the images of a folder and their classes: each sub-folder is a class; images without sub-folders have no label.

    Raise UsageError for a folder that holds both.
    """
    inside = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    loose, others = _split_files(inside)
    by_folder: dict[Path, list[Path]] = {}
    for folder in inside:
        if folder.is_dir():
            by_folder[folder], not_taken = _split_files(folder.rglob("*"))
            others += not_taken
    folders = [folder for folder, files in by_folder.items() if files]
    if loose and folders:
        raise UsageError(
            f"{decode_name(root)} holds both images ({decode_name(loose[0].name)}) and folders of images "
            f"({decode_name(folders[0].name)}): put each image into the folder of its class, or all into one folder, or name "
            "them in a labels.csv"
        )
    labelled = [LabelledFile(path, label) for label, folder in enumerate(folders) for path in by_folder[folder]]
    entries = labelled or [LabelledFile(path, None) for path in loose]
    return Listing(entries, tuple(decode_name(folder.name) for folder in folders), _describe_others(others))


def _split_files(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Return the image files among these paths and the other files, sorted, without hidden ones (macOS adds one to each)."""
    files = sorted(path for path in paths if not path.name.startswith(".") and path.is_file())
    images = [path for path in files if path.suffix.lower() in EXTENSIONS]
    return images, [path for path in files if path.suffix.lower() not in EXTENSIONS]


def _describe_others(files: Sequence[Path]) -> tuple[str, ...]:
    """Say how many files of each kind are not taken for images."""
    if not files:
        return ()
    kinds = Counter(decode_name(path.suffix.lower()) or "without an extension" for path in files)
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return (f"{format_count(len(files), 'file')} of the folder not taken for images: {listed}",)
