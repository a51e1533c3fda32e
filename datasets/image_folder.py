"""A folder of images: with a labels.csv (classes, boxes, masks), with one sub-folder for each class, or without labels."""

import re
from pathlib import Path, PurePath
from typing import cast

import pandas as pd
from PIL import Image as Picture

from ..bench.core.errors import UsageError
from ..bench.data.types import Image
from ._readers.folder import LabelledFile, list_images, open_entries
from ._readers.image_io import Box, Resize, fit_picture, read, read_size, to_rgb
from ._readers.lazy_images import LazyImages
from ._readers.remote import locate_folder, make_readable, report_unreachable

VERSION = 2  # photos are rotated as their EXIF data say
THREAD_SAFE = True
FOLDER = True  # the command line reads `--dataset FOLDER` with this plug-in


def load(*, path: str, size: int = 224, resize: Resize = "crop", seed: int = 0) -> LazyImages:
    """Return the images of a folder, or of an address that fsspec knows, in an order drawn from the seed.

    Names are paths in the folder. Photos are rotated as their EXIF data say. `crop` resizes the shorter side to 256/224 of the
    size and cuts out the centre, as torchvision does; `crop-all` resizes the shorter side to the size, so that only the longer
    side is cut; `squash` resizes both sides to the size.

    labels.csv has the columns file (relative to the folder, or to images/ in it) and class_index (the net's index). The object
    may be marked by a column mask (an image of the photo's size, not 0 on the object), box_xyxy (four numbers, in pixels of the
    upright photo) or box_N_xyxy for any N (in pixels of the photo squashed to N x N). Without labels.csv each sub-folder is a
    class, and images without sub-folders have no label.

    Raise UsageError for a folder without images or with both images and sub-folders of images, and for a row that cannot be
    read, whose file is not in the folder, or whose file already has a row.
    """
    root = locate_folder(path)
    with report_unreachable(path):
        if not root.is_dir():
            raise UsageError(f"there is no folder {path}")
        entries, classes = _read_table(root) if (root / "labels.csv").is_file() else list_images(root)
    if not entries:
        raise UsageError(
            f"{path} holds no image: put images there, and for labels a labels.csv or one sub-folder for each class"
        )
    return open_entries(root, entries, classes, size=size, resize=resize, seed=seed)


def photo(source: Path | Picture.Image, *, size: int = 224, resize: Resize = "crop") -> Image:
    """Read one picture as an image without a label, with pixels (size, size, 3), resized as images of a folder are.

    Its name is that of the file, or "picture" without a file. Raise ImageError for a file that cannot be read as an image.
    """
    picture, name = (read(source), source.name) if isinstance(source, Path) else (to_rgb(source), "picture")
    return Image(name, fit_picture(picture, size, resize)[0], None)


def _read_table(root: Path) -> tuple[list[LabelledFile], tuple[str, ...]]:
    """Read the entries in labels.csv. Raise UsageError for a table without the columns."""
    file = root / "labels.csv"
    try:
        rows = pd.read_csv(make_readable(file), dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not a table of comma-separated values: {error}") from None
    for column in ("file", "class_index"):
        if column not in rows:
            raise UsageError(f"{file} has no column {column!r}; it has {', '.join(rows.columns)}")
    box = next((column for column in map(str, rows) if re.fullmatch(r"box(_\d+)?_xyxy", column)), None)
    records = cast(list[dict[str, str]], rows.to_dict("records"))
    entries = [_read_row(root, row, number, box) for number, row in enumerate(records, start=2)]
    _check_unique(file, entries)
    return entries, ()


def _check_unique(file: Path, entries: list[LabelledFile]) -> None:
    """Raise UsageError if two rows name the same image."""
    lines: dict[Path, int] = {}
    for number, entry in enumerate(entries, start=2):
        if (first := lines.setdefault(entry.path, number)) != number:
            name = entry.path.relative_to(file.parent).as_posix()
            raise UsageError(
                f"{file}, lines {first} and {number}: both name {name}: an image has one row, with one class"
            )


def _read_row(root: Path, row: dict[str, str], number: int, box: str | None) -> LabelledFile:
    line = f"{root / 'labels.csv'}, line {number}"
    path = _find_file(root, row["file"], line)
    if not re.fullmatch(r"[0-9]{1,9}", row["class_index"].strip()):
        raise UsageError(f"{line}: {row['class_index']!r} is not a class index: a class index is a whole number from 0")
    region = _read_box(row[box], box, path, line) if box and row[box].strip() else None
    return LabelledFile(path, int(row["class_index"]), region, _find_mask(root, row.get("mask", ""), path, line))


def _find_file(root: Path, name: str, line: str) -> Path:
    """Return the file of a row. It must lie in the folder, so that a foreign labels.csv cannot read other files."""
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise UsageError(f"{line}: {name!r} is absolute or has '..': files are named relative to {root}")
    path = next((path for path in (root / name, root / "images" / name) if path.is_file()), None)
    if path is None:
        raise UsageError(f"{line}: there is no file {name!r} in {root} or {root / 'images'}")
    return path


def _find_mask(root: Path, name: str, path: Path, line: str) -> Path | None:
    """Return the file of a row's mask, if it names one. Raise UsageError unless it has the photo's size."""
    if not name.strip():
        return None
    mask = _find_file(root, name, line)
    if read_size(mask) != read_size(path):
        sizes = (f"{width} x {height}" for width, height in (read_size(mask), read_size(path)))
        raise UsageError(f"{line}: the mask {name} is {' pixels, its photo '.join(sizes)}: they must have one size")
    return mask


def _read_box(text: str, column: str, path: Path, line: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"{line}: {text!r} is not a box: a box is four numbers, x1 y1 x2 y2") from None
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise UsageError(f"{line}: {text!r} is not a box: x1 < x2 and y1 < y2, counted from the upper left corner")
    squashed = re.search(r"\d+", column)
    width, height = (int(squashed[0]),) * 2 if squashed else read_size(path)
    if x1 >= width or y1 >= height:
        picture = f"{path.name} squashed to" if squashed else f"{path.name}, which is"
        raise UsageError(f"{line}: the box {text!r} lies outside {picture} {width} x {height} pixels")
    return x1 / width, y1 / height, x2 / width, y2 / height
