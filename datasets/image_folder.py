"""A folder of images: with labels.csv (file, class_index, optionally a box), or with a sub-folder a class."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image as Picture
from PIL import ImageFile, UnidentifiedImageError

from ..bench.errors import UsageError
from ..bench.images import Image, Mask, Object, Pixels

VERSION = 1

Resize = Literal["crop", "squash"]
Box = tuple[
    float, float, float, float
]  # x1 y1 x2 y2, as shares of the file's width and height

EXTENSIONS = {
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
    ".gif",
    ".ppm",
    ".pgm",
}
CROP = (
    256 / 224
)  # torchvision's: the shorter side is brought to 256, and 224 are cut from the middle

ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True)
class Entry:
    """A file and what is known of it."""

    path: Path
    label: int
    box: Box | None = None


def load(
    *, path: str, size: int = 224, resize: Resize = "crop", seed: int = 0
) -> "Folder":
    """The images of a folder in an order drawn by the seed, so that the first n are a sample of all.

    `crop` brings the shorter side to 256/224 of the size and cuts the middle out, as torchvision does; `squash` brings both
    sides to the size. labels.csv has the columns file (relative to the folder, or to images/ in it) and class_index, the net's;
    a box is a column box_xyxy (four numbers, in the file's pixels) or box_224_xyxy (of the image squashed to 224 x 224).
    Raises UsageError for a folder without images, a row without its file, or a row that cannot be read.
    """
    if size < 8:
        raise UsageError(
            f"image_folder, size: {size} pixels are too few for any net; 8 is the least, 224 the usual"
        )
    root = Path(path)
    if not root.is_dir():
        raise UsageError(f"there is no folder {path}")
    entries, classes = (
        _labelled(root) if (root / "labels.csv").is_file() else _classed(root)
    )
    if not entries:
        raise UsageError(
            f"{path} holds no image: put a labels.csv there, or a sub-folder of images for each class"
        )
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
        picture = _read(entry.path)
        pixels, window = _fitted(picture, self.size, self.resize)
        objects = (
            ()
            if entry.box is None
            else (Object(entry.label, _mask(entry.box, window, self.size)),)
        )
        return Image(
            self.name(index),
            pixels,
            entry.label,
            tuple(thing for thing in objects if thing.mask.any()),
        )


def _labelled(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    file = root / "labels.csv"
    try:
        rows = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
    ) as error:
        raise UsageError(
            f"{file} is not a table of comma-separated values: {error}"
        ) from None
    for column in ("file", "class_index"):
        if column not in rows:
            raise UsageError(
                f"{file} has no column {column!r}; it has {', '.join(rows.columns)}"
            )
    box = next(
        (column for column in rows if re.fullmatch(r"box(_\d+)?_xyxy", str(column))),
        None,
    )
    return [
        _entry(root, row, number, box)
        for number, row in enumerate(rows.to_dict("records"), start=2)
    ], ()


def _entry(root: Path, row: dict[str, str], number: int, box: str | None) -> Entry:
    where = f"{root / 'labels.csv'}, line {number}"
    path = next(
        (
            path
            for path in (root / row["file"], root / "images" / row["file"])
            if path.is_file()
        ),
        None,
    )
    if path is None:
        raise UsageError(
            f"{where}: there is no file {row['file']!r} in {root} or {root / 'images'}"
        )
    if not row["class_index"].strip().isdigit():
        raise UsageError(
            f"{where}: {row['class_index']!r} is no class index: it is a whole number from 0"
        )
    return Entry(
        path,
        int(row["class_index"]),
        _box(row[box], box, path, where) if box and row[box].strip() else None,
    )


def _box(text: str, column: str, path: Path, where: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(
            f"{where}: {text!r} is no box: it is four numbers, x1 y1 x2 y2"
        ) from None
    squashed = re.search(r"\d+", column)
    width, height = (float(squashed[0]),) * 2 if squashed else _read(path).size
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise UsageError(
            f"{where}: {text!r} is no box: x1 < x2 and y1 < y2 from the upper left corner"
        )
    return x1 / width, y1 / height, x2 / width, y2 / height


def _classed(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    folders = sorted(
        path for path in root.iterdir() if path.is_dir() and any(_pictures(path))
    )
    entries = [
        Entry(path, label)
        for label, folder in enumerate(folders)
        for path in sorted(_pictures(folder))
    ]
    return entries, tuple(folder.name for folder in folders)


def _pictures(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS and path.is_file()
    )


def _read(path: Path) -> Picture.Image:
    """A picture in RGB: grey, palette, CMYK and 16-bit ones converted, transparent ones laid on white."""
    try:
        picture = Picture.open(path)
        picture.load()
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        Picture.DecompressionBombError,
    ) as error:
        raise UsageError(
            f"{path} cannot be read as an image ({error}): repair it, or take it out of the data set"
        ) from None
    if picture.mode.startswith("I"):
        picture = Picture.fromarray(
            (np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(
                np.uint8
            )
        )
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Picture.alpha_composite(
            Picture.new("RGBA", picture.size, "white"), picture
        )
    return picture.convert("RGB")


def _fitted(picture: Picture.Image, size: int, resize: Resize) -> tuple[Pixels, Box]:
    """The image at its size, and the window of the picture that it shows, as shares of its width and height."""
    width, height = picture.size
    if resize == "squash":
        return np.asarray(picture.resize((size, size), Picture.Resampling.BILINEAR)), (
            0.0,
            0.0,
            1.0,
            1.0,
        )
    side = min(width, height) / CROP
    left, top = (width - side) / 2, (height - side) / 2
    cut = picture.resize(
        (size, size), Picture.Resampling.BILINEAR, (left, top, left + side, top + side)
    )
    return np.asarray(cut), (
        left / width,
        top / height,
        (left + side) / width,
        (top + side) / height,
    )


def _mask(box: Box, window: Box, size: int) -> Mask:
    """The pixels whose centres lie in a box, in the image that shows a window of the file."""
    x1, y1, x2, y2 = window
    centres = (np.arange(size) + 0.5) / size
    x, y = x1 + centres * (x2 - x1), y1 + centres * (y2 - y1)
    inside: Mask = ((y >= box[1]) & (y < box[3]))[:, None] & (
        (x >= box[0]) & (x < box[2])
    )[None]
    return inside
