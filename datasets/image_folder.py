"""A folder of images: with labels.csv (file, class_index, optionally a box), or with a sub-folder a class."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from ..bench.errors import UsageError
from ..bench.images import Image, Object
from ._pictures import Box, Resize, fitted, mask, read

VERSION = 1
FOLDER = True  # `--dataset FOLDER` is this

EXTENSIONS = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}


@dataclass(frozen=True)
class Entry:
    """A file and what is known of it."""

    path: Path
    label: int
    box: Box | None = None


def load(*, path: str, size: int = 224, resize: Resize = "crop", seed: int = 0) -> "Folder":
    """The images of a folder in an order drawn by the seed, so that the first n are a sample of all.

    `crop` brings the shorter side to 256/224 of the size and cuts the middle out, as torchvision does; `squash` brings both
    sides to the size. labels.csv has the columns file (relative to the folder, or to images/ in it) and class_index, the net's;
    a box is a column box_xyxy (four numbers, in the file's pixels) or box_224_xyxy (of the image squashed to 224 x 224).
    Raises UsageError for a folder without images, a row without its file, or a row that cannot be read.
    """
    if size < 8:
        raise UsageError(f"image_folder, size: {size} pixels are too few for any net; 8 is the least, 224 the usual")
    root = Path(path)
    if not root.is_dir():
        raise UsageError(f"there is no folder {path}")
    entries, classes = _labelled(root) if (root / "labels.csv").is_file() else _classed(root)
    if not entries:
        raise UsageError(f"{path} holds no image: put a labels.csv there, or a sub-folder of images for each class")
    order = np.random.default_rng(seed).permutation(len(entries))
    return Folder(root, [entries[index] for index in order], classes, size, resize)


@dataclass(frozen=True)
class Folder:
    """Images read from files when asked for."""

    root: Path
    entries: list[Entry]
    classes: tuple[str, ...]  # empty where labels are class indices without names
    size: int
    resize: Resize

    def __len__(self) -> int:
        return len(self.entries)

    def name(self, index: int) -> str:
        return self.entries[index].path.relative_to(self.root).as_posix()

    def __getitem__(self, index: int) -> Image:
        entry = self.entries[index]
        picture = read(entry.path)
        pixels, window = fitted(picture, self.size, self.resize)
        objects = () if entry.box is None else (Object(entry.label, mask(entry.box, window, self.size)),)
        return Image(self.name(index), pixels, entry.label, tuple(thing for thing in objects if thing.mask.any()))


def _labelled(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    file = root / "labels.csv"
    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not a table of comma-separated values: {error}") from None
    for column in ("file", "class_index"):
        if column not in rows:
            raise UsageError(f"{file} has no column {column!r}; it has {', '.join(rows.columns)}")
    box = next((column for column in map(str, rows) if re.fullmatch(r"box(_\d+)?_xyxy", column)), None)
    for name in rows["file"][rows["file"].duplicated()]:
        raise UsageError(f"{file} names {name!r} twice")
    records = cast(list[dict[str, str]], rows.to_dict("records"))
    return [_entry(root, row, number, box) for number, row in enumerate(records, start=2)], ()


def _entry(root: Path, row: dict[str, str], number: int, box: str | None) -> Entry:
    where = f"{root / 'labels.csv'}, line {number}"
    path = next((path for path in (root / row["file"], root / "images" / row["file"]) if path.is_file()), None)
    if path is None:
        raise UsageError(f"{where}: there is no file {row['file']!r} in {root} or {root / 'images'}")
    if not re.fullmatch(r"[0-9]{1,9}", row["class_index"].strip()):
        raise UsageError(f"{where}: {row['class_index']!r} is no class index: it is a whole number from 0")
    return Entry(path, int(row["class_index"]), _box(row[box], box, path, where) if box and row[box].strip() else None)


def _box(text: str, column: str, path: Path, where: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no box: it is four numbers, x1 y1 x2 y2") from None
    squashed = re.search(r"\d+", column)
    width, height = (float(squashed[0]),) * 2 if squashed else read(path).size
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise UsageError(f"{where}: {text!r} is no box: x1 < x2 and y1 < y2 from the upper left corner")
    return x1 / width, y1 / height, x2 / width, y2 / height


def _classed(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and any(_pictures(path)))
    entries = [Entry(path, label) for label, folder in enumerate(folders) for path in sorted(_pictures(folder))]
    return entries, tuple(folder.name for folder in folders)


def _pictures(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
