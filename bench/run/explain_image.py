"""Explains an image on a net by each method, and measures the cost of each map."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import Fatal, ImageError, NotApplicable, PluginError
from ..core.plugins import Plugin
from ..core.profiling import time_span
from ..data.types import Image, Object
from ..forward.cost import measure_work, time_call
from ..forward.device import to_batch
from ..nets.net import Net
from .plan import Plan
from .rows import MethodResult, Subject


def explain_image(methods: Sequence[Plugin], net: Net, subject: Subject, *, count: bool) -> dict[str, MethodResult]:
    """Return the result of each method, by its spec.

    `count` also measures the work and the peak memory, which takes one more call.
    """
    return {method.spec: _explain(method, net, subject, count=count) for method in methods}


def warm_up(plan: Plan, net: Net, labels: dict[int, int], image: Image) -> None:
    """Call each method once, untimed, because a first call also pays for the set-up of libraries."""
    explain_image(plan.methods, net, make_subject(plan, net, labels, image), count=False)


def make_subject(plan: Plan, net: Net, labels: dict[int, int], image: Image) -> Subject:
    """Make an image on a net, with its prediction and its target. Raise ImageError if the label is missing or unknown."""
    batch = to_batch(image, plan.device)
    net.prepare(batch)
    probabilities, seconds = _time_prediction(net, batch)
    label = None if image.label is None else _map_label(image.label, labels, image, plan, net)
    if plan.protocol.target == "label" and label is None:
        raise ImageError(f'{image.name} has no label: explain the predicted class (target = "predicted")')
    target = int(probabilities.argmax()) if plan.protocol.target == "predicted" or label is None else label
    objects = tuple(Object(_map_label(marked.label, labels, image, plan, net), marked.mask) for marked in image.objects)
    return Subject(image, batch, label, target, objects, probabilities, seconds)


def _map_label(label: int | None, labels: dict[int, int], image: Image, plan: Plan, net: Net) -> int | None:
    """Return the net's class index of a label; None if the net lacks the class. Raise ImageError for an index out of range."""
    if label not in labels and not plan.images.classes:
        raise ImageError(
            f"{image.name} is of class {label}, but {net.name} has the classes 0 to {len(net.classes) - 1}"
        )
    return None if label is None else labels.get(label)


@torch.inference_mode()
def predict(net: Net, batch: Tensor) -> Tensor:
    """Return the probabilities (classes,) of one image (1, 3, h, w). Raise ImageError if they are not finite."""
    probabilities: Tensor = net(batch)[0].double().softmax(-1)
    if not probabilities.isfinite().all():
        raise ImageError(f"{net.name} gives class scores that are not finite (NaN or infinite): are its weights sound?")
    return probabilities


def _time_prediction(net: Net, batch: Tensor) -> tuple[Tensor, float]:
    """Return the probabilities (classes,), and the seconds of one prediction, the unit in which machines can be compared.

    The faster of two calls counts, because the first may pay for the set-up of libraries.
    """
    (probabilities, first), (_, second) = (time_call(lambda: predict(net, batch), batch.device) for _ in range(2))
    return probabilities, min(first, second)


def _explain(method: Plugin, net: Net, subject: Subject, *, count: bool) -> MethodResult:
    targets = torch.tensor([subject.target], device=subject.batch.device)
    state = net.protected_state()
    images = subject.batch.clone()  # a method may write into its images
    try:
        with time_span("explaining"):
            work = measure_work(lambda: method(net, images, targets), targets.device) if count else None
            images = subject.batch.clone()
            maps, seconds = time_call(lambda: method(net, images, targets), subject.batch.device)
    except NotApplicable as reason:
        return MethodResult(reason=str(reason))
    if net.protected_state() != state:
        raise Fatal(f"method {method.spec} leaves {net.name} changed: a hook, train mode, or other weights")
    values = _check_map(method, net, maps)
    finite = bool((values.amax() - values.amin()).isfinite())
    values = values if finite else torch.zeros_like(values)
    if work is None:
        return MethodResult(values, seconds, finite=finite)
    prediction_flops = measure_work(lambda: predict(net, subject.batch), targets.device).flops
    return MethodResult(values, seconds, work.flops / prediction_flops, float(work.peak_bytes), finite=finite)


def _check_map(method: Plugin, net: Net, maps: Any) -> Tensor:
    """Return the map (h, w) out of a method's maps (1, h, w), float32. Raise PluginError for anything else."""
    if not isinstance(maps, Tensor) or maps.dim() != 3 or len(maps) != 1 or not maps.numel() or maps.is_complex():
        output = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise PluginError(f"method {method.spec} gives {output} for one image: a map is a real tensor (1, h, w)")
    return maps[0].detach().to(net.device, torch.float32)
