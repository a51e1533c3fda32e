"""The maps of an image on a net, one by each method, and what they cost."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import Fatal, NotApplicable, UsageError
from ..core.plugins import Plugin
from ..core.profiling import span
from ..data.types import Image, Object
from ..forward.cost import timed, work
from ..forward.device import batched
from ..nets.net import Net
from .plan import Plan
from .rows import Explained, Subject


def explained(methods: Sequence[Plugin], net: Net, subject: Subject, *, count: bool) -> dict[str, Explained]:
    """By method, its map of a subject or the reason why there is none; its work is counted where it is asked for."""
    return {method.spec: _explain(method, net, subject, count=count) for method in methods}


def warm_up(plan: Plan, net: Net, labels: dict[int, int], image: Image) -> None:
    """Each method once, untimed: a first call also pays for what libraries set up. (Counting the work does it otherwise.)"""
    explained(plan.methods, net, subject(plan, net, labels, image), count=False)


def subject(plan: Plan, net: Net, labels: dict[int, int], image: Image) -> Subject:
    """An image on a net: what the net says of it, and the class explained. Raises UsageError for a label out of range."""
    batch = batched(image, plan.device)
    net.prepare(batch)
    probabilities, seconds = _clocked(net, batch)
    label = None if image.label is None else _in_net(image.label, labels, image, plan, net)
    if plan.protocol.target == "label" and label is None:
        raise UsageError(f'{image.name} has no label: explain the predicted class (target = "predicted")')
    target = int(probabilities.argmax()) if plan.protocol.target == "predicted" or label is None else label
    objects = tuple(Object(_in_net(thing.label, labels, image, plan, net), thing.mask) for thing in image.objects)
    return Subject(image, batch, label, target, objects, probabilities, seconds)


def _in_net(label: int | None, labels: dict[int, int], image: Image, plan: Plan, net: Net) -> int | None:
    """The net's class index of a label; None where its name is none of the net's."""
    if label not in labels and not plan.images.classes:
        raise UsageError(
            f"{image.name} is of class {label}, but {net.name} has the classes 0 to {len(net.classes) - 1}"
        )
    return None if label is None else labels.get(label)


@torch.inference_mode()
def predict(net: Net, batch: Tensor) -> Tensor:
    """The probabilities (classes,) of one image (1, 3, h, w). Raises UsageError where they are not finite."""
    probabilities: Tensor = net(batch)[0].double().softmax(-1)
    if not probabilities.isfinite().all():
        raise UsageError(f"{net.name} gives class scores that are not finite (NaN or infinite): are its weights sound?")
    return probabilities


def _clocked(net: Net, batch: Tensor) -> tuple[Tensor, float]:
    """The probabilities, and the seconds of a prediction: the clock by which methods' seconds are told on any machine.

    They are those of the quicker of two: the first may pay for what is set up.
    """
    (probabilities, first), (_, second) = (timed(lambda: predict(net, batch), batch.device) for _ in range(2))
    return probabilities, min(first, second)


def _explain(method: Plugin, net: Net, subject: Subject, *, count: bool) -> Explained:
    targets = torch.tensor([subject.target], device=subject.batch.device)
    before = net.state()
    images = subject.batch.clone()  # a method may write into what it is given
    try:
        with span("explaining"):
            counted = work(lambda: method(net, images, targets), targets.device) if count else None
            images = subject.batch.clone()
            maps, seconds = timed(lambda: method(net, images, targets), subject.batch.device)
    except NotApplicable as reason:
        return Explained(reason=str(reason))
    if net.state() != before:
        raise Fatal(f"method {method.spec} leaves {net.name} changed: a hook, train mode, or other weights")
    one = _map(method, net, maps)
    finite = bool((one.amax() - one.amin()).isfinite())
    one = one if finite else torch.zeros_like(one)
    if counted is None:
        return Explained(one, seconds, finite=finite)
    prediction = work(lambda: predict(net, subject.batch), targets.device).flops
    return Explained(one, seconds, counted.flops / prediction, float(counted.peak_bytes), finite=finite)


def _map(method: Plugin, net: Net, maps: Any) -> Tensor:
    """The one map (h, w) that a method gave, float32. Raises UsageError where it gave something else."""
    if not isinstance(maps, Tensor) or maps.dim() != 3 or len(maps) != 1 or not maps.numel() or maps.is_complex():
        given = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise UsageError(f"method {method.spec} gives {given} for one image: a map is a real tensor (1, h, w)")
    return maps[0].detach().to(net.device, torch.float32)
