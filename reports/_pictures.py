"""Images with maps laid over them, and which of them a report shows."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image as Picture

from ..bench.store import Run
from ..bench.tables import Metric, metrics

COLOURS = "inferno"
OPACITY = 0.55
WIDEST = 192  # pixels: larger images are shown smaller
QUALITY = 84

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """A picture in the gallery, and what its caption says."""

    place: str  # best, median, worst
    image: str
    target: str
    score: float
    uri: str


class Pictures:
    """The images of a run and the maps on them."""

    def __init__(self, run: Run) -> None:
        images, maps, predictions = run.table("images"), run.table("maps"), run.table("predictions")
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
        coarse = np.asarray(row["values"], dtype=np.float32).reshape(int(row["height"]), int(row["width"]))
        fitted = Picture.fromarray(coarse).resize(pixels.shape[1::-1], Picture.Resampling.BILINEAR)
        colours = matplotlib.colormaps[COLOURS](_stretched(np.asarray(fitted)))[..., :3] * 255
        mixed: Pixels = ((1 - OPACITY) * pixels + OPACITY * colours).round().astype(np.uint8)
        return mixed


def ranking(run: Run) -> Metric | None:
    """The metric by which pictures are best and worst: of those with curves the first of which more is better."""
    curves = run.table("curves")
    drawn = set(curves["metric"]) if len(curves) else set()
    found = sorted(metrics(run), key=lambda metric: (metric.spec not in drawn, metric.better != "higher"))
    return found[0] if found else None


def gallery(pictures: Pictures, scores: pd.DataFrame, net: str, method: str, metric: Metric) -> list[Shown]:
    """Best, median and worst image of a method on a net; fewer where the run has fewer."""
    if not len(scores):
        return []
    own = scores[(scores["net"] == net) & (scores["method"] == method) & (scores["metric"] == metric.spec)]
    own = own.dropna(subset=["value"]).sort_values(["value", "image"], ascending=metric.better == "lower")
    found: list[Shown] = []
    for place, index in {"best": 0, "median": len(own) // 2, "worst": len(own) - 1}.items():
        row = own.iloc[index] if len(own) else None
        if row is None or (found and row["image"] in [shown.image for shown in found]):
            continue
        over = pictures.overlay(net, method, row["image"])
        if over is not None:
            uri = _uri(np.hstack([pictures.image(row["image"]), over]))
            found.append(Shown(place, str(row["image"]), pictures.target(net, row["image"]), float(row["value"]), uri))
    return found


@dataclass(frozen=True)
class Stage:
    """A map of a net of which a share of the layers is random, and how like the first it is."""

    share: float
    likeness: float
    uri: str


def strips(run: Run, net: str) -> dict[str, tuple[str, list[Stage]]]:
    """By method, the image and the stages of its first curve of maps: what the sanity check looks like."""
    rows, curves = run.table("strips"), run.table("curves")
    found: dict[str, tuple[str, list[Stage]]] = {}
    if not len(rows):
        return found
    scores: Any = curves.set_index(["net", "method", "image", "metric"])["scores"]
    groups: Any = rows[rows["net"] == net].groupby(["method", "image", "metric"], sort=False)
    for (method, image, metric), own in groups:
        if method not in found:
            stages = zip(own.to_dict("records"), scores[net, method, image, metric], strict=True)
            found[method] = (image, [Stage(row["share"], like, _uri(_coloured(row))) for row, like in stages])
    return found


def _coloured(row: Any) -> Pixels:
    values = np.asarray(row["values"], dtype=np.float32).reshape(row["height"], row["width"])
    colours: Pixels = (matplotlib.colormaps[COLOURS](_stretched(values))[..., :3] * 255).round().astype(np.uint8)
    return colours


def _stretched(values: NDArray[np.float32]) -> NDArray[np.float32]:
    span = float(np.ptp(values))
    return (values - values.min()) / span if span else np.zeros_like(values)


def _uri(pixels: Pixels) -> str:
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
