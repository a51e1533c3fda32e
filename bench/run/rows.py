"""What the runner hands from step to step for an image on a net, and the rows that records are made of."""

import hashlib
import io
import math
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image as Picture
from torch import Tensor

from ..core.errors import NotApplicable, UsageError
from ..core.plugins import Plugin
from ..data.types import Image, Object
from ..nets.net import Net
from ..scoring.case import Curve, Score

JPEG_QUALITY = 90
NAN = float("nan")


@dataclass(frozen=True)
class Subject:
    """An image on a net: what is explained, and of which class."""

    image: Image
    batch: Tensor  # (1, 3, h, w) in [0, 1]
    label: int | None  # the net's class index
    target: int
    objects: tuple[Object, ...]  # with the net's class indices
    probabilities: Tensor  # (classes,)
    seconds: float = NAN  # of one bare prediction


@dataclass(frozen=True)
class Explained:
    """What a method gave: its map (h', w') and cost, or the reason why there is none."""

    map: Tensor | None = None
    seconds: float = NAN
    forwards: float = NAN
    peak_bytes: float = NAN
    reason: str | None = None
    finite: bool = True  # whether the map was; one that was not is scored as a constant one


def value(score: Score, metric: Plugin, method: str) -> dict[str, Any]:
    if isinstance(score, NotApplicable):
        return {"value": NAN, "reason": str(score)}
    value = score.area if isinstance(score, Curve) else score
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"metric {metric.spec} gives {value!r} for a map of {method}: a score is a finite number")
    return {"value": float(value), "reason": None}


def prediction(net: Net, subject: Subject) -> dict[str, Any]:
    label, target = subject.label, subject.target
    true = {thing.label for thing in subject.objects}
    two = set(subject.probabilities.topk(2).indices.tolist())
    return {
        "label": label,
        "label_name": None if label is None else net.classes[label],
        "target": target,
        "target_name": net.classes[target],
        "probability": float(subject.probabilities[target]),
        "top1": None if label is None else bool(int(subject.probabilities.argmax()) == label),
        "objects": len(subject.objects),
        "top2": true == two if len(true) == 2 and None not in true else None,
        "sha256": hashlib.sha256(subject.image.pixels.tobytes()).hexdigest(),
        "seconds": subject.seconds,
    }


def cost(made: Explained) -> dict[str, float]:
    return {"seconds": made.seconds, "forwards": made.forwards, "peak_bytes": made.peak_bytes}


def flat(map: Tensor | None) -> dict[str, Any]:
    assert map is not None
    return {"height": map.shape[0], "width": map.shape[1], "values": map.flatten().cpu().numpy()}


def strips(curve: Curve) -> list[dict[str, Any]]:
    """The maps at the points of a curve, where it is one of maps."""
    pairs = zip(curve.shares, curve.pictures, strict=True) if curve.pictures else ()
    return [{"share": share} | flat(torch.from_numpy(picture.copy())) for share, picture in pairs]


def jpeg(image: Image) -> bytes:
    buffer = io.BytesIO()
    Picture.fromarray(image.pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
