"""Data sets of Hugging Face's library `datasets`: `hf:beans`, `hf:uoft-cs/cifar10`, or a folder that it has saved."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image as Picture
from PIL import ImageOps

from ..bench.core.errors import UsageError, nearest
from ._readers.image_io import Resize, coloured
from ._readers.lazy_images import Found, Photos, drawn

VERSION = 1
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
) -> Photos:
    """The images of a split in an order drawn by the seed; fetched where they are not in the library's cache.

    `name` is that of the hub, or the folder of a data set saved by save_to_disk; `config` its configuration. `image` and
    `label` name the columns, by default the first that holds images and the first that holds classes; without one the images
    have no label. `resize` is as image_folder has it. Raises UsageError for what cannot be had. No data set's own code is run.
    """
    rows = _split(_opened(name, config, split), name, split)
    features: dict[str, Any] = rows.features
    images = _column(features, image, "Image", name)
    if images is None:
        raise UsageError(f"hf:{name} has no column of images; it has {', '.join(features)}")
    labels = _column(features, label, "ClassLabel", name)
    classes = tuple(features[labels].names) if labels else ()
    raw = rows.cast_column(images, type(features[images])(decode=False))  # decoded when asked for

    def look(index: int) -> Found:
        row = raw[index]
        told = row[images]
        known = labels is not None and row[labels] is not None and row[labels] >= 0  # -1: not told
        return Found(_read(told, f"hf:{name}, {split}-{index:05d}"), int(row[labels]) if known else None)

    names = [f"{split}-{index:05d}" for index in range(len(rows))]
    return drawn(names, look, classes, seed=seed, size=size, resize=resize)


def _opened(name: str, config: str, split: str) -> Any:
    import datasets

    datasets.disable_progress_bars()
    try:
        if Path(name).is_dir() and any(Path(name).glob("*.json")):
            return datasets.load_from_disk(name)
        return datasets.load_dataset(name, config or None, split=split)
    except (
        OSError,
        ValueError,
        RuntimeError,
    ) as error:  # what the library raises for what is not there, or not reached
        said = " ".join(str(error).split())[:120]
        raise UsageError(
            f"hf:{name} cannot be had ({said}): load it once where there is a network, save_to_disk() it, and name that folder"
        ) from None


def _split(found: Any, name: str, split: str) -> Any:
    """Of several splits the one that is asked for; a data set saved alone is one."""
    if not isinstance(found, dict):
        return found
    if split not in found:
        raise UsageError(f"hf:{name} has no split {split!r}: {nearest(split, found)}")
    return found[split]


def _column(features: dict[str, Any], named: str, kind: str, name: str) -> str | None:
    of_kind = [column for column, feature in features.items() if type(feature).__name__ == kind]
    if named and named not in of_kind:
        raise UsageError(f"hf:{name} has no column {named!r} of {kind}: {nearest(named, of_kind)}")
    return named or next(iter(of_kind), None)


def _read(told: dict[str, Any], where: str) -> Picture.Image:
    try:
        with Picture.open(BytesIO(told["bytes"]) if told["bytes"] else told["path"]) as file:
            file.load()
            return coloured(ImageOps.exif_transpose(file))
    except (OSError, SyntaxError, ValueError, Picture.DecompressionBombError) as error:
        raise UsageError(f"{where} cannot be read as an image ({error})") from None
