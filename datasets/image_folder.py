"""A folder of images: with labels.csv (file, class_index, perhaps a box or mask), with a sub-folder a class, or unlabelled."""

import re
from pathlib import Path, PurePath
from typing import cast

import pandas as pd
from PIL import Image as Picture

from ..bench.core.errors import UsageError
from ..bench.data.types import Image
from ._readers.folder import Entry, classed, photos
from ._readers.image_io import Box, Resize, coloured, extent, fitted, read
from ._readers.lazy_images import Photos
from ._readers.remote import place, reached, readable

VERSION = 2  # photos are turned upright
FOLDER = True  # `--dataset FOLDER` is this


def load(*, path: str, size: int = 224, resize: Resize = "crop", seed: int = 0) -> Photos:
    """The images of a folder, or of an address of fsspec, in an order drawn by the seed: the first n are a sample of all.

    Photos are turned upright as their EXIF says. `crop` brings the shorter side to 256/224 of the size and cuts the middle out,
    as torchvision does; `crop-all` brings it to the size, so that only the longer side is cut; `squash` brings both sides to
    it. labels.csv has the columns file (relative to the folder, or to images/ in it) and class_index, the net's; where the
    object is tells a column mask (a picture of the photo's size, not 0 on the object), or box_xyxy (four numbers, in pixels of
    the upright photo), or box_224_xyxy (of the image squashed to 224 x 224). Without it sub-folders are classes, and images
    without sub-folders have no label. Raises UsageError for a folder without images or with both, and for a row that cannot be
    read, or whose file is not in the folder or has a row already.
    """
    root = place(path)
    with reached(path):
        if not root.is_dir():
            raise UsageError(f"there is no folder {path}")
        entries, classes = _labelled(root) if (root / "labels.csv").is_file() else classed(root)
    if not entries:
        raise UsageError(
            f"{path} holds no image: put images there, with a labels.csv or a sub-folder a class if labelled"
        )
    return photos(root, entries, classes, size=size, resize=resize, seed=seed)


def photo(source: Path | Picture.Image, *, size: int = 224, resize: Resize = "crop") -> Image:
    """One picture as an image without a label, as it would be in a folder; a file gives it its name."""
    picture, name = (read(source), source.name) if isinstance(source, Path) else (coloured(source), "picture")
    return Image(name, fitted(picture, size, resize)[0], None)


def _labelled(root: Path) -> tuple[list[Entry], tuple[str, ...]]:
    file = root / "labels.csv"
    try:
        rows = pd.read_csv(readable(file), dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not a table of comma-separated values: {error}") from None
    for column in ("file", "class_index"):
        if column not in rows:
            raise UsageError(f"{file} has no column {column!r}; it has {', '.join(rows.columns)}")
    box = next((column for column in map(str, rows) if re.fullmatch(r"box(_\d+)?_xyxy", column)), None)
    records = cast(list[dict[str, str]], rows.to_dict("records"))
    entries = [_entry(root, row, number, box) for number, row in enumerate(records, start=2)]
    _one_row_each(file, entries)
    return entries, ()


def _one_row_each(file: Path, entries: list[Entry]) -> None:
    lines: dict[Path, int] = {}
    for number, entry in enumerate(entries, start=2):
        if (first := lines.setdefault(entry.path, number)) != number:
            name = entry.path.relative_to(file.parent).as_posix()
            raise UsageError(
                f"{file}, lines {first} and {number}: both are of {name}; an image has one row, with one class"
            )


def _entry(root: Path, row: dict[str, str], number: int, box: str | None) -> Entry:
    where = f"{root / 'labels.csv'}, line {number}"
    path = _file(root, row["file"], where)
    if not re.fullmatch(r"[0-9]{1,9}", row["class_index"].strip()):
        raise UsageError(f"{where}: {row['class_index']!r} is no class index: it is a whole number from 0")
    boxed = _box(row[box], box, path, where) if box and row[box].strip() else None
    return Entry(path, int(row["class_index"]), boxed, _mask(root, row.get("mask", ""), path, where))


def _file(root: Path, name: str, where: str) -> Path:
    """The file of a row, which is in the folder: a labels.csv from elsewhere reads nothing outside it."""
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise UsageError(f"{where}: {name!r} is absolute or has '..': files are named relative to {root}")
    path = next((path for path in (root / name, root / "images" / name) if path.is_file()), None)
    if path is None:
        raise UsageError(f"{where}: there is no file {name!r} in {root} or {root / 'images'}")
    return path


def _mask(root: Path, name: str, path: Path, where: str) -> Path | None:
    if not name.strip():
        return None
    mask = _file(root, name, where)
    if extent(mask) != extent(path):
        sizes = (f"{width} x {height}" for width, height in (extent(mask), extent(path)))
        raise UsageError(f"{where}: the mask {name} is {' pixels, its photo '.join(sizes)}: they are of one size")
    return mask


def _box(text: str, column: str, path: Path, where: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"{where}: {text!r} is no box: it is four numbers, x1 y1 x2 y2") from None
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise UsageError(f"{where}: {text!r} is no box: x1 < x2 and y1 < y2 from the upper left corner")
    squashed = re.search(r"\d+", column)
    width, height = (int(squashed[0]),) * 2 if squashed else extent(path)
    if x1 >= width or y1 >= height:
        what = f"{path.name} squashed to" if squashed else f"{path.name}, which is"
        raise UsageError(f"{where}: the box {text!r} lies outside {what} {width} x {height} pixels")
    return x1 / width, y1 / height, x2 / width, y2 / height
