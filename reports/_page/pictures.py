"""Images with maps laid over them, and strips of maps."""

import base64
import io
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as Picture

from ...bench.data.types import Pixels
from ...bench.show.overlay import coloured, fitted, laid_over, stretched
from ...bench.store.run import Run

WIDEST = 192  # pixels: larger images are shown smaller
QUALITY = 84


class Pictures:
    """Images of a run, all of them or those named, and the maps on them."""

    def __init__(self, run: Run, names: Collection[str] | None = None) -> None:
        images, maps, predictions = (run.table(table, names) for table in ("images", "maps", "predictions"))
        self._jpegs: dict[str, bytes] = dict(zip(images["image"], images["jpeg"], strict=True)) if len(images) else {}
        keys = ["net", "method", "image"]
        self._maps = maps.drop_duplicates(keys).set_index(keys) if len(maps) else pd.DataFrame()
        self._targets = predictions.set_index(["net", "image"])["target_name"].to_dict() if len(predictions) else {}

    def has(self, image: str) -> bool:
        return image in self._jpegs

    def target(self, net: str, image: str) -> str:
        return str(self._targets.get((net, image), "?"))

    def image(self, name: str) -> Pixels:
        picture = Picture.open(io.BytesIO(self._jpegs[name])).convert("RGB")
        picture.thumbnail((WIDEST, WIDEST))
        return np.asarray(picture)

    def overlay(self, net: str, method: str, image: str) -> Pixels | None:
        """The image under its map, fitted and stretched as it was for scoring; None where there is no such map."""
        if not self.has(image) or (net, method, image) not in self._maps.index:
            return None
        row: Any = self._maps.loc[(net, method, image), :]
        pixels = self.image(image)
        return laid_over(pixels, fitted(row, pixels.shape[:2]))


@dataclass(frozen=True)
class Stage:
    """A map of a net of which a share of the layers is random, and how like the first it is."""

    share: float
    likeness: float
    uri: str


def strips(run: Run, net: str) -> dict[str, tuple[str, list[Stage]]]:
    """By method, the image and the stages of its first curve of maps: what the sanity check looks like."""
    rows = run.table("strips")
    found: dict[str, tuple[str, list[Stage]]] = {}
    if not len(rows):
        return found
    curves = run.table("curves", set(rows["image"]))
    scores: Any = curves.set_index(["net", "method", "image", "metric"])["scores"]
    groups: Any = rows[rows["net"] == net].groupby(["method", "image", "metric"], sort=False)
    for (method, image, metric), own in groups:
        if method not in found:
            stages = zip(own.to_dict("records"), scores[net, method, image, metric], strict=True)
            found[method] = (image, [Stage(row["share"], like, uri(_coloured(row))) for row, like in stages])
    return found


def _coloured(row: Any) -> Pixels:
    values = np.asarray(row["values"], dtype=np.float32).reshape(row["height"], row["width"])
    return coloured(stretched(values))


def uri(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
