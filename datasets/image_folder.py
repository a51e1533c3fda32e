"""A folder of images: with a labels.csv (classes, boxes, masks), with one sub-folder for each class, or without labels."""

from pathlib import Path

from PIL import Image as Picture

from ..bench.core.errors import ImageError, UsageError
from ..bench.core.files import decode_name
from ..bench.data.types import Image
from ._readers.folder import list_images, open_entries
from ._readers.image_io import DECODING_ERRORS, Resize, check_size, convert, fit_picture, read_rgb
from ._readers.labels_csv import FILE_NAME, read_table
from ._readers.lazy_images import LazyImages
from ._readers.remote import locate_folder, report_unreachable

VERSION = 3  # more kinds of files are taken, and values of more than 8 bits are scaled
THREAD_SAFE = True
FOLDER = True  # the command line reads `--dataset FOLDER` with this plug-in


def load(*, path: str, size: int = 224, resize: Resize = "crop", seed: int = 0) -> LazyImages:
    """Return the images of a folder, or of an address that fsspec knows, in an order drawn from the seed.

    Names are paths in the folder. Photos are rotated as their EXIF data say. `crop` resizes the shorter side to 256/224 of the
    size and cuts out the centre, as torchvision does; `crop-all` resizes the shorter side to the size, so that only the longer
    side is cut; `squash` resizes both sides to the size.

    labels.csv has the columns file (relative to the folder, or to images/ in it) and class_index (the net's index), or another
    column with the class (docs/data.md); cells are separated by commas, semicolons or tabs. The object may be marked by a
    column mask (an image of the photo's size, not 0 on the object), box_xyxy (four numbers, in pixels of the upright photo) or
    box_N_xyxy for any N (in pixels of the photo squashed to N x N). Without labels.csv each sub-folder is a class, and images
    without sub-folders have no label.

    Raise UsageError for a folder without images or with both images and sub-folders of images, and for a row that cannot be
    read, whose file is not in the folder, or whose file already has a row.
    """
    if decode_name(path) != path:  # a run records the path as text
        raise UsageError(f"the name of the folder {decode_name(path)} is not UTF-8: rename it, or name a link to it")
    root = locate_folder(path)
    with report_unreachable(path):
        if not root.is_dir():
            raise UsageError(f"there is no folder {path}")
        listing = read_table(root) if (root / FILE_NAME).is_file() else list_images(root)
    if not listing.entries:
        raise UsageError(
            f"{path} holds no image: put images there, and for labels a labels.csv or one sub-folder for each class"
            + "".join(f" ({note})" for note in listing.notes)
        )
    return open_entries(root, listing, size=size, resize=resize, seed=seed)


def photo(source: Path | Picture.Image, *, size: int = 224, resize: Resize = "crop") -> Image:
    """Read one picture as an image without a label, with pixels (size, size, 3), resized as images of a folder are.

    Its name is that of the file, or "picture" without a file. Raise ImageError for a file that cannot be read as an image,
    UsageError for a bad size.
    """
    check_size(size)
    name = decode_name(source.name) if isinstance(source, Path) else "picture"
    try:
        rgb = read_rgb(source) if isinstance(source, Path) else convert(source)
    except DECODING_ERRORS as error:
        raise ImageError(f"the {name} cannot be read as an image ({error}): repair it") from None
    return Image(name, fit_picture(rgb.picture, size, resize)[0], None, note=rgb.note)
