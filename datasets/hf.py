"""Data sets of Hugging Face's library `datasets`: `hf:beans`, `hf:uoft-cs/cifar10`, or a folder written by save_to_disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as Picture

from ..bench.core.errors import ImageError, UsageError, list_known_names
from ._readers.depth import RgbPicture
from ._readers.image_io import DECODING_ERRORS, Resize, convert
from ._readers.lazy_images import LabelledPicture, LazyImages, shuffle_images

VERSION = 2  # values of more than 8 bits are scaled
REQUIRES = "datasets"
EXTRA = "hf"


def load(
    *,
    name: str = "beans",
    split: str = "test",
    config: str = "",
    image: str = "",
    label: str = "",
    size: int = 224,
    resize: Resize = "crop",
    seed: int = 0,
) -> LazyImages:
    """Return the images of a split in an order drawn from the seed; the library downloads those that its cache does not hold.

    Names are test-00000 and so on; no objects are marked. `name` is the data set's name on the hub, or a folder written by
    save_to_disk; `config` is its configuration. `image` and `label` are columns, by default the first that holds images and the
    first that holds classes; without a column of classes the images have no label. `resize` is as in image_folder. Code of a
    data set is never run. Raise UsageError if the data set, the split or a column does not exist.
    """
    rows = _select_split(_open(name, config, split), name, split)
    features: dict[str, Any] = rows.features
    images = _find_column(features, image, "Image", name)
    if images is None:
        raise UsageError(f"hf:{name} has no column of images; it has {', '.join(features)}")
    labels = _find_column(features, label, "ClassLabel", name)
    classes = tuple(features[labels].names) if labels else ()
    undecoded = rows.cast_column(images, type(features[images])(decode=False))  # images are decoded one by one, later

    def read_picture(index: int) -> LabelledPicture:
        row = undecoded[index]
        labelled = labels is not None and row[labels] is not None and row[labels] >= 0  # -1: no label
        rgb = _decode(row[images], f"hf:{name}, {split}-{index:05d}")
        return LabelledPicture(rgb.picture, int(row[labels]) if labelled else None, note=rgb.note)

    names = [f"{split}-{index:05d}" for index in range(len(rows))]
    return shuffle_images(names, read_picture, classes, seed=seed, size=size, resize=resize)


def _open(name: str, config: str, split: str) -> Any:
    """Open a saved data set, or one of the hub. Raise UsageError if it cannot be loaded."""
    import datasets

    try:
        with _hide_progress_bars():
            if Path(name).is_dir() and any(Path(name).glob("*.json")):
                return datasets.load_from_disk(name)
            return datasets.load_dataset(name, config or None, split=split)
    except (OSError, ValueError, RuntimeError) as error:  # the library's errors for missing or unreachable data sets
        reason = " ".join(str(error).split())[:120]
        raise UsageError(
            f"hf:{name} cannot be loaded ({reason}): load it where there is a network, save_to_disk() it, and name that folder"
        ) from None


@contextmanager
def _hide_progress_bars() -> Iterator[None]:
    """Switch the library's progress bars off inside the block."""
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _select_split(source: Any, name: str, split: str) -> Any:
    """Return the split with this name; a saved data set may be a single split without a name."""
    if not isinstance(source, dict):
        return source
    if split not in source:
        raise UsageError(f"hf:{name} has no split {split!r}: {list_known_names(split, source)}")
    return source[split]


def _find_column(features: dict[str, Any], column: str, feature_type: str, name: str) -> str | None:
    """Return the column, or the first one of this kind; None if there is none."""
    candidates = [name_ for name_, feature in features.items() if type(feature).__name__ == feature_type]
    if column and column not in candidates:
        raise UsageError(
            f"hf:{name} has no column {column!r} of {feature_type}: {list_known_names(column, candidates)}"
        )
    return column or next(iter(candidates), None)


def _decode(encoded: dict[str, Any], name: str) -> RgbPicture:
    """Decode a picture in RGB, upright. Raise ImageError if it cannot be read."""
    try:
        with Picture.open(BytesIO(encoded["bytes"]) if encoded["bytes"] else encoded["path"]) as file:
            return convert(file, upright=True)
    except DECODING_ERRORS as error:
        raise ImageError(f"{name} cannot be read as an image ({error})") from None
