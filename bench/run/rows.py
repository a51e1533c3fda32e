"""An image on a net, the result of a method, and the columns of their rows."""

import hashlib
import io
import math
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image as Picture
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..data.types import Image, Object
from ..nets.net import Net
from ..scoring.case import Curve, Score

JPEG_QUALITY = 90
NAN = float("nan")


@dataclass(frozen=True)
class Subject:
    """An image on a net, and the class that is explained."""

    image: Image
    batch: Tensor  # (1, 3, h, w) in [0, 1]
    label: int | None  # a class index of the net
    target: int
    objects: tuple[Object, ...]  # their labels are class indices of the net
    probabilities: Tensor  # (classes,)
    seconds: float = NAN  # of one prediction


@dataclass(frozen=True)
class MethodResult:
    """The map of a method and its cost, or the reason why there is no map."""

    map: Tensor | None = None  # (h', w')
    seconds: float = NAN
    forwards: float = NAN
    peak_bytes: float = NAN
    reason: str | None = None
    finite: bool = True  # a map that is not finite is replaced by a constant one

    @property
    def constant(self) -> bool:
        return self.map is not None and not bool((self.map != self.map.flatten()[0]).any())


def make_value_columns(score: Score, metric: Plugin, method: str) -> dict[str, Any]:
    """Return the value of a score, or the reason why there is none.

    Raise PluginError for a value that is not a finite number.
    """
    if isinstance(score, NotApplicable):
        return {"value": NAN, "reason": str(score)}
    value = score.area if isinstance(score, Curve) else score
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise PluginError(f"metric {metric.spec} gives {value!r} for a map of {method}: a score is a finite number")
    return {"value": float(value), "reason": None}


def make_prediction_columns(net: Net, subject: Subject) -> dict[str, Any]:
    """Make the columns of an image's row of predictions: label, target, probability, top-1, hash and seconds."""
    label, target = subject.label, subject.target
    true = {marked.label for marked in subject.objects}
    likeliest = set(subject.probabilities.topk(2).indices.tolist())
    return {
        "label": label,
        "label_name": None if label is None else net.classes[label],
        "target": target,
        "target_name": net.classes[target],
        "probability": float(subject.probabilities[target]),
        "top1": None if label is None else bool(int(subject.probabilities.argmax()) == label),
        "objects": len(subject.objects),
        "top2": true == likeliest if len(true) == 2 and None not in true else None,
        "sha256": hashlib.sha256(subject.image.pixels.tobytes()).hexdigest(),
        "seconds": subject.seconds,
    }


def make_cost_columns(result: MethodResult) -> dict[str, float]:
    """Make the columns of a method's cost on an image: seconds, forwards and peak memory in bytes."""
    return {"seconds": result.seconds, "forwards": result.forwards, "peak_bytes": result.peak_bytes}


def make_map_columns(map: Tensor | None) -> dict[str, Any]:
    """Make the columns of a stored map (h', w'): its size, and its values in reading order."""
    assert map is not None
    return {"height": map.shape[0], "width": map.shape[1], "values": map.flatten().cpu().numpy()}


def make_strip_rows(curve: Curve) -> list[dict[str, Any]]:
    """Return a row for each map along a curve; none if the curve has no maps."""
    pairs = zip(curve.shares, curve.pictures, strict=True) if curve.pictures else ()
    return [{"share": share} | make_map_columns(torch.from_numpy(values.copy())) for share, values in pairs]


def encode_jpeg(image: Image) -> bytes:
    """Encode an image as JPEG."""
    buffer = io.BytesIO()
    Picture.fromarray(image.pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
