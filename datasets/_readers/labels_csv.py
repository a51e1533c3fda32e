"""labels.csv: a row for each image of a folder, with its class and perhaps its object."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from ...bench.core.errors import ImageError, UsageError
from ...bench.core.files import decode_name
from .folder import LabelledFile, Listing
from .image_io import Box, read_size
from .remote import read_bytes

Row = dict[str, str]  # cells by column
Columns = dict[str, str]  # the names in the file by those that are looked for: class_index for "Class Index"
Rows = list[tuple[int, Row]]  # with the number of the line in the file

FILE_NAME = "labels.csv"
DELIMITERS = (",", ";", "\t")
FILE = ("file", "filename", "file_name", "filepath", "file_path", "image", "image_name", "image_path", "path")
INDEX = ("class_index", "class_id", "label_index", "label_id")  # hold numbers
NAME = ("class_name", "label_name")  # hold words
CLASS = (*INDEX, *NAME, "class", "label", "category", "target")  # the last four hold either
NUMBER, WORDNET_ID = r"[0-9]{1,9}", r"n[0-9]{8}"


def read_table(root: Path) -> Listing:
    """Read the entries in labels.csv. Raise UsageError for a table without the columns, and for a row that is wrong."""
    file = root / FILE_NAME
    columns, rows = _read_rows(file)
    file_column, class_column = _find_column(file, columns, FILE), _find_column(file, columns, CLASS)
    box = next((column for column in columns if re.fullmatch(r"box(_\d+)?_xyxy", column)), None)
    labels, classes = _read_labels(file, class_column, [(number, row[class_column]) for number, row in rows])
    entries = []
    for label, (number, row) in zip(labels, rows, strict=True):
        line = f"{decode_name(file)}, line {number}"
        entry = LabelledFile(_find_file(root, row[file_column], line), label)
        entries.append(_add_object(entry, root, row, box, line))
    _check_unique(file, entries, [number for number, _ in rows])
    return Listing(entries, classes)


def _add_object(entry: LabelledFile, root: Path, row: Row, box: str | None, line: str) -> LabelledFile:
    """Add the object of a row to its entry. If the photo or the mask is damaged, only this image fails, when it is read."""
    try:
        region = _read_box(row[box], box, entry.path, line) if box and row[box] else None
        return replace(entry, box=region, mask=_find_mask(root, row.get("mask", ""), entry.path, line))
    except ImageError as error:
        return replace(entry, fault=str(error))


def _read_rows(file: Path) -> tuple[Columns, Rows]:
    """Read the columns and the rows; empty lines are skipped, and cells lose the spaces around them."""
    start = f"{decode_name(file)} is not a table of comma-separated values"
    text = read_bytes(file).decode("utf-8-sig", "surrogateescape")  # file names may have bytes that are not UTF-8
    header = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_find_delimiter(header), skipinitialspace=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise UsageError(f"{start}: {error}") from None
    if not lines or not all(name.isprintable() for name in lines[0][1]):
        raise UsageError(f"{start}: its first line names no columns")
    names = [_normalise(name) for name in lines[0][1]]
    if twice := next((name for index, name in enumerate(names) if name and name in names[:index]), None):
        raise UsageError(f"{decode_name(file)} has two columns {twice!r}: remove one of them")
    for number, cells in lines[1:]:
        if len(cells) > len(names):
            raise UsageError(f"{start}: line {number} has {len(cells)} cells, and the first line {len(names)}")
    columns, empty = dict(zip(names, lines[0][1], strict=True)), [""] * len(names)
    return columns, [(number, dict(zip(names, cells + empty, strict=False))) for number, cells in lines[1:]]


def _find_delimiter(header: str) -> str:
    """Return the delimiter by which the first line has the most columns that are known; a comma if none has any."""

    def count_known(delimiter: str) -> int:
        cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
        return sum(_normalise(cell) in (*FILE, *CLASS) for cell in cells)

    return max(DELIMITERS, key=count_known)


def _normalise(column: str) -> str:
    return re.sub(r"[ -]+", "_", column.strip().casefold())


def _find_column(file: Path, columns: Columns, names: Sequence[str]) -> str:
    """Find the column with one of these names. Raise UsageError if there is none, or several without the first name."""
    found = [column for column in columns if column in names]
    if names[0] in found:
        found = [column for column in found if column == names[0]]
    if not found:
        others = ", ".join(names[1:])
        raise UsageError(
            f"{decode_name(file)} has no column {names[0]!r} (or {others}); it has {', '.join(columns.values())}"
        )
    if len(found) > 1:
        listed = ", ".join(columns[column] for column in found)
        raise UsageError(
            f"{decode_name(file)} has several columns that may be the {names[0]}: {listed}: name one of them {names[0]}"
        )
    return found[0]


def _read_labels(file: Path, column: str, cells: Sequence[tuple[int, str]]) -> tuple[list[int], tuple[str, ...]]:
    """Return the label of each row and the names of the classes: none if the labels are class indices of the net.

    Raise UsageError for an empty cell, and for a column of both numbers and words.
    """
    are_numbers = [re.fullmatch(NUMBER, cell) is not None for _, cell in cells]
    if column in NAME or not any(are_numbers):
        are_numbers = [False] * len(cells)
    are_words = column not in INDEX or all(re.fullmatch(WORDNET_ID, cell) for _, cell in cells)
    for (number, cell), is_number in zip(cells, are_numbers, strict=True):
        line = f"{decode_name(file)}, line {number}"
        if len(classes := re.split(r"[|;]", cell)) > 1 and all(map(str.strip, classes)):
            raise UsageError(
                f"{line}: {decode_name(cell)!r} names {len(classes)} classes: write the one that is explained"
            )
        if not cell.isprintable():
            raise UsageError(f"{line}: the class {decode_name(cell)!r} is not readable text: save the table as UTF-8")
        if not cell or (not is_number and not are_words):
            raise UsageError(f"{line}: {cell!r} is not a class index: a class index is a whole number from 0")
        if is_number != are_numbers[0]:
            raise UsageError(
                f"{line}: {cell!r} is a {'number' if is_number else 'word'}, unlike the class of line {cells[0][0]}: name the "
                "column class_name if numbers are names too"
            )
    if all(are_numbers):
        return [int(cell) for _, cell in cells], ()
    names = [decode_name(cell) for _, cell in cells]
    indices = {name: index for index, name in enumerate(sorted(set(names)))}
    return [indices[name] for name in names], tuple(indices)


def _check_unique(file: Path, entries: Sequence[LabelledFile], numbers: Sequence[int]) -> None:
    """Raise UsageError if two rows name the same image."""
    lines: dict[Path, int] = {}
    for number, entry in zip(numbers, entries, strict=True):
        if (first := lines.setdefault(entry.path, number)) != number:
            name = decode_name(entry.path.relative_to(file.parent).as_posix())
            raise UsageError(
                f"{decode_name(file)}, lines {first} and {number}: both name {name}: an image has one row, with one class"
            )


def _find_file(root: Path, name: str, line: str) -> Path:
    """Return the file of a row. It must lie in the folder, so that a foreign labels.csv cannot read other files."""
    if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
        raise UsageError(
            f"{line}: {decode_name(name)!r} is absolute or has '..': files are named relative to {decode_name(root)}"
        )
    path = next((path for path in (root / name, root / "images" / name) if path.is_file()), None)
    if path is None:
        raise UsageError(
            f"{line}: there is no file {decode_name(name)!r} in {decode_name(root)} or {decode_name(root / 'images')}"
        )
    return path


def _find_mask(root: Path, name: str, path: Path, line: str) -> Path | None:
    """Return the file of a row's mask, if it names one. Raise UsageError unless it has the photo's size."""
    if not name:
        return None
    mask = _find_file(root, name, line)
    if read_size(mask) != read_size(path):
        sizes = (f"{width} x {height}" for width, height in (read_size(mask), read_size(path)))
        raise UsageError(
            f"{line}: the mask {decode_name(name)} is {' pixels, its photo '.join(sizes)}: they must have one size"
        )
    return mask


def _read_box(text: str, column: str, path: Path, line: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise UsageError(f"{line}: {text!r} is not a box: a box is four numbers, x1 y1 x2 y2") from None
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        rule = "x1 < x2 and y1 < y2, in pixels from 0 in the upper left corner"
        raise UsageError(f"{line}: {text!r} is not a box in the photo: {rule}")
    squashed = re.search(r"\d+", column)
    width, height = (int(squashed[0]),) * 2 if squashed else read_size(path)
    name = decode_name(path.name)
    picture = f"{name} {'squashed to' if squashed else 'of'} {width} x {height} pixels"
    if x1 >= width or y1 >= height:
        raise UsageError(f"{line}: the box {text!r} lies outside {picture}")
    if x2 > width + 1 or y2 > height + 1:  # an edge may be counted up to the pixel after it
        raise UsageError(
            f"{line}: the box {text!r} reaches beyond {picture} by more than one: it may be of the photo in another size, or "
            "hold a width and a height"
        )
    return x1 / width, y1 / height, x2 / width, y2 / height
