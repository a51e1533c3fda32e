"""An image on a net, the result of a method, and the columns of their rows."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image as Picture
from torch import Tensor

from ..core.errors import NotApplicable, PluginError, clean, show_value
from ..core.plugins import Plugin
from ..data.seeds import hash_image
from ..data.types import Image, Object
from ..forward.device import move_to_host
from ..nets.net import Net
from ..scoring.case import Curve, FloatMap, Score

JPEG_QUALITY = 90
NAN = float("nan")


@dataclass(frozen=True)
class Subject:
    """An image on a net, and the class that is explained."""

    image: Image
    label: int | None  # a class index of the net
    target: int
    objects: tuple[Object, ...]  # their labels are class indices of the net
    probabilities: Tensor  # (classes,), on the CPU
    seconds: float = NAN  # of one prediction

    @cached_property
    def seed(self) -> int:
        """A number that depends on the image's pixels alone."""
        return hash_image(self.image.pixels)


@dataclass(frozen=True)
class Batch:
    """Images of one size on a net: what each method is called with."""

    images: Tensor  # (n, 3, h, w) in [0, 1], on the net's device
    subjects: tuple[Subject, ...]

    def select(self, number: int) -> "Batch":
        """Return one image of the batch, as a batch."""
        return Batch(self.images[number : number + 1], self.subjects[number : number + 1])


@dataclass(frozen=True)
class Work:
    """What a method needs for one image: work in units of one prediction, and the peak of its memory."""

    forwards: float = NAN
    peak_bytes: float = NAN


@dataclass(frozen=True)
class Explained:
    """The maps of a method for a batch and their cost, or the reason why there are none."""

    maps: Tensor | None = None  # (n, h', w'), on the net's device
    seconds: Sequence[float] = ()  # of each image alone; empty if they were not measured
    batch_seconds: float = NAN  # an image, of the batch as a whole
    work: Work = Work()  # of the first image
    reason: str | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)  # why some images of a batch have no map, by their numbers


@dataclass(frozen=True)
class MethodResult:
    """The map of a method for an image and its cost, or the reason why there is no map."""

    map: Tensor | None = None  # (h', w'), on the net's device; 0 everywhere if the method's map is not finite
    raw: FloatMap | None = None  # the map, on the CPU
    reason: str | None = None
    finite: bool = True
    seconds: float = NAN  # of the image alone
    batch_seconds: float = NAN  # an image, in a batch of `batch` images
    batch: int | None = None
    work: Work = Work()

    @property
    def constant(self) -> bool:
        return self.raw is not None and bool((self.raw == self.raw.flat[0]).all())


def finish_maps(explained: dict[str, Explained], count: int) -> dict[str, list[MethodResult]]:
    """Return the results of each method for each of `count` images; all maps come to the host at once."""
    maps = {spec: results.maps for spec, results in explained.items() if results.maps is not None}
    raw = dict(zip(maps, move_to_host(list(maps.values())), strict=True))
    return {
        spec: [_make_result(results, raw[spec], number) for number in range(count)]
        if results.maps is not None
        else [MethodResult(reason=results.reason)] * count
        for spec, results in explained.items()
    }


def _make_result(explained: Explained, raw: FloatMap, number: int) -> MethodResult:
    assert explained.maps is not None
    if number in explained.reasons:
        return MethodResult(reason=explained.reasons[number])
    map_, values = explained.maps[number], raw[number]
    with np.errstate(over="ignore", invalid="ignore"):
        finite = bool(np.isfinite(values.max() - values.min()))
    timed = not math.isnan(explained.batch_seconds)
    return MethodResult(
        map_ if finite else torch.zeros_like(map_),
        values if finite else np.zeros_like(values),
        finite=finite,
        seconds=explained.seconds[number] if explained.seconds else NAN,
        batch_seconds=explained.batch_seconds,
        batch=len(raw) if timed else None,
        work=explained.work if number == 0 else Work(),
    )


def make_value_columns(score: Score, metric: Plugin, method: str) -> dict[str, Any]:
    """Return the value of a score, or the reason why there is none.

    Raise PluginError for a value that is not a finite number. Curves of a user's metric were checked (scoring/foreign.py).
    """
    if isinstance(score, NotApplicable):
        return {"value": NAN, "reason": clean(str(score))}
    value = score.area if isinstance(score, Curve) else score
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise PluginError(
            f"metric {metric.spec} gives {show_value(value)} for a map of {method}: a score is a finite number"
        )
    return {"value": float(value), "reason": None}


def make_prediction_columns(net: Net, subject: Subject) -> dict[str, Any]:
    """Make the columns of an image's row of predictions: label, target, probability, top-1, hash and seconds."""
    label, target = subject.label, subject.target
    true = {marked.label for marked in subject.objects}
    likeliest = set(subject.probabilities.topk(2).indices.tolist())
    predicted = int(subject.probabilities.argmax())
    return {
        "label": label,
        "label_name": None if label is None else net.classes[label],
        "target": target,
        "target_name": net.classes[target],
        "predicted": predicted,
        "probability": float(subject.probabilities[target]),
        "top1": None if label is None else predicted == label,
        "objects": len(subject.objects),
        "top2": true == likeliest if len(true) == 2 and None not in true else None,
        "sha256": subject.image.sha256,
        "seconds": subject.seconds,
        "note": clean(subject.image.note) or None,
    }


def make_cost_columns(result: MethodResult) -> dict[str, float | int | None]:
    """Make the columns of a method's cost on an image: seconds, forwards and peak memory in bytes."""
    return {
        "seconds": result.seconds,
        "batch_seconds": result.batch_seconds,
        "batch": result.batch,
        "forwards": result.work.forwards,
        "peak_bytes": result.work.peak_bytes,
    }


def make_map_columns(map: FloatMap | None) -> dict[str, Any]:
    """Make the columns of a stored map (h', w'): its size, and its values in reading order."""
    assert map is not None
    return {"height": map.shape[0], "width": map.shape[1], "values": map.ravel()}


def make_strip_rows(curve: Curve) -> list[dict[str, Any]]:
    """Return a row for each map along a curve; none if the curve has no maps."""
    pairs = zip(curve.shares, curve.pictures, strict=True) if curve.pictures else ()
    return [{"share": share} | make_map_columns(values) for share, values in pairs]


def encode_jpeg(image: Image) -> bytes:
    """Encode an image as JPEG."""
    buffer = io.BytesIO()
    Picture.fromarray(image.pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
