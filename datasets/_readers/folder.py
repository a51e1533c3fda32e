"""Image files in a folder: found, labelled by their sub-folders, and opened as a data set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...bench.core.errors import UsageError
from .image_io import Box, Region, Resize, read, read_mask
from .lazy_images import Found, Photos, drawn

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}


@dataclass(frozen=True)
class Entry:
    """A file and what is known of it."""

    path: Path
    label: int | None
    box: Box | None = None
    mask: Path | None = None

    def found(self) -> Found:
        region: Region | None = read_mask(self.mask) if self.mask else self.box
        things = () if self.label is None or region is None else ((self.label, region),)
        return Found(read(self.path), self.label, things)


def photos(
    root: Path, entries: Sequence[Entry], classes: Sequence[str], *, size: int, resize: Resize, seed: int
) -> Photos:
    """The images of entries, named by their files' places in a folder."""
    names = [entry.path.relative_to(root).as_posix() for entry in entries]
    return drawn(names, lambda index: entries[index].found(), classes, size=size, resize=resize, seed=seed)


def classed(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    """The images of a folder without labels.csv: a class a sub-folder, or no label where there is none."""
    inside = [path for path in root.iterdir() if not path.name.startswith(".")]
    folders = sorted(path for path in inside if path.is_dir() and _pictures(path.rglob("*")))
    loose = _pictures(inside)
    if loose and folders:
        raise UsageError(
            f"{root} holds both images ({loose[0].name}) and folders of images ({folders[0].name}): put each image "
            "into the folder of its class, or all into one folder, or name them in a labels.csv"
        )
    entries = [Entry(path, label) for label, folder in enumerate(folders) for path in _pictures(folder.rglob("*"))]
    return entries or [Entry(path, None) for path in loose], tuple(folder.name for folder in folders)


def _pictures(paths: Iterable[Path]) -> list[Path]:
    """Those that are images, but for hidden ones: what macOS puts beside each file is none."""
    shown = (path for path in paths if not path.name.startswith("."))
    return sorted(path for path in shown if path.suffix.lower() in EXTENSIONS and path.is_file())
