"""The straight line from a plan to records: net and image, to maps, to scores and cost."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from . import nets, records, scoring
from .cost import timed, work
from .errors import NotApplicable, UsageError
from .images import Image, Object
from .maps import fit, stretch
from .nets import Net
from .plan import Plan, labels_in
from .plugins import Plugin
from .records import Explained, Subject
from .scoring import Curve, Score
from .store import Cell, Unit


def units(plan: Plan, done: set[Cell]) -> Iterator[Unit]:
    """What each image gives on each net, but for the cells that are done; net by net, in the order of the images."""
    for spec in plan.suite.nets:
        todo = [index for index in plan.chosen if (spec, plan.images.name(index)) not in done]
        if todo:
            net = nets.load(spec, plan.device, plan.precision)
            labels = labels_in(plan.images, net.classes, spec)
            if todo[0] != plan.chosen[0]:
                _warm_up(plan, net, labels, todo[0])
            yield from (_unit(plan, net, labels, index) for index in todo)


def _unit(plan: Plan, net: Net, labels: dict[int, int], index: int) -> Unit:
    subject = _subject(plan, net, labels, plan.images[index])
    explained = {method.spec: _explain(method, net, subject, count=index == plan.chosen[0]) for method in plan.methods}
    key = {"dataset": plan.suite.dataset, "image": subject.image.name, "net": net.name}
    unit = Unit((net.name, subject.image.name))
    unit.rows["predictions"] = [key | records.prediction(net, subject)]
    if net.name == plan.suite.nets[0]:
        unit.rows["images"] = [
            {"dataset": plan.suite.dataset, "image": subject.image.name, "jpeg": records.jpeg(subject.image)}
        ]
    mapped = {spec: made for spec, made in explained.items() if made.map is not None}
    unit.rows["maps"] = [key | {"method": spec} | records.flat(made.map) for spec, made in mapped.items()]
    unit.rows["cost"] = [
        key | {"layer": net.layer, "method": spec} | records.cost(made) for spec, made in mapped.items()
    ]
    about = key | {"layer": net.layer, "label": subject.label, "target": subject.target}
    unit.rows["scores"], unit.rows["curves"] = _records(plan, net, subject, explained, about)
    return unit


def _subject(plan: Plan, net: Net, labels: dict[int, int], image: Image) -> Subject:
    batch = torch.tensor(image.pixels, device=plan.device).permute(2, 0, 1)[None].contiguous().float() / 255
    net.prepare(batch)
    probabilities = _predict(net, batch)
    label = None if image.label is None else _in_net(image.label, labels, image, net)
    if plan.suite.target == "label" and label is None:
        raise UsageError(f'{image.name} has no label: explain the predicted class (target = "predicted")')
    target = int(probabilities.argmax()) if plan.suite.target == "predicted" or label is None else label
    objects = tuple(Object(_in_net(thing.label, labels, image, net), thing.mask) for thing in image.objects)
    return Subject(image, batch, label, target, objects, probabilities)


def _in_net(label: int, labels: dict[int, int], image: Image, net: Net) -> int:
    if label not in labels:
        raise UsageError(
            f"{image.name} is of class {label}, but {net.name} has the classes 0 to {len(net.classes) - 1}"
        )
    return labels[label]


@torch.inference_mode()
def _predict(net: Net, batch: Tensor) -> Tensor:
    probabilities: Tensor = net(batch)[0].double().softmax(-1)
    if not probabilities.isfinite().all():
        raise UsageError(f"{net.name} gives class scores that are not finite (NaN or infinite): are its weights sound?")
    return probabilities


def _warm_up(plan: Plan, net: Net, labels: dict[int, int], index: int) -> None:
    """Each method once, untimed: a first call also pays for what libraries set up. (Counting the work does it otherwise.)"""
    subject = _subject(plan, net, labels, plan.images[index])
    for method in plan.methods:
        _explain(method, net, subject, count=False)


def _explain(method: Plugin, net: Net, subject: Subject, *, count: bool) -> Explained:
    targets = torch.tensor([subject.target], device=subject.batch.device)
    before = net.state()
    images = subject.batch.clone()  # a method may write into what it is given
    try:
        counted = work(lambda: method(net, images, targets), targets.device) if count else None
        images = subject.batch.clone()
        maps, seconds = timed(lambda: method(net, images, targets), subject.batch.device)
    except NotApplicable as reason:
        return Explained(reason=str(reason))
    if net.state() != before:
        raise UsageError(f"method {method.spec} leaves {net.name} changed: a hook, train mode, or other weights")
    one = _map(method, net, maps)
    if counted is None:
        return Explained(one, seconds)
    prediction = work(lambda: _predict(net, subject.batch), targets.device).flops
    return Explained(one, seconds, counted.flops / prediction, float(counted.peak_bytes))


def _map(method: Plugin, net: Net, maps: Any) -> Tensor:
    """The one map (h, w) that a method gave, float32. Raises UsageError where it gave something else."""
    if not isinstance(maps, Tensor) or maps.dim() != 3 or len(maps) != 1 or not maps.numel() or maps.is_complex():
        given = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise UsageError(f"method {method.spec} gives {given} for one image: a map is a real tensor (1, h, w)")
    one = maps[0].detach().to(net.device, torch.float32)
    if not (one.amax() - one.amin()).isfinite():
        raise UsageError(f"method {method.spec} gives a map on {net.name} that is not finite (NaN or infinite)")
    return one


def _records(
    plan: Plan, net: Net, subject: Subject, explained: dict[str, Explained], about: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of scores and of curves: of each method, by each metric."""
    height, width = subject.image.pixels.shape[:2]
    mapped = {spec: made.map for spec, made in explained.items() if made.map is not None}
    fitted = {spec: stretch(fit(one[None], (height, width)))[0] for spec, one in mapped.items()}
    scores: dict[str, list[Score]] = {}
    if fitted:
        stack = torch.stack(list(fitted.values()))
        found = scoring.score(net, subject.batch[0], subject.target, stack, subject.objects, plan.metrics)
        scores = dict(zip(fitted, found, strict=True))
    rows, curves = [], []
    for spec, made in explained.items():
        flat = made.map is not None and not bool(fitted[spec].any())
        for number, metric in enumerate(plan.metrics):
            score = scores[spec][number] if spec in scores else NotApplicable(made.reason)
            row = about | {"method": spec, "metric": metric.spec, "version": metric.version, "constant_map": flat}
            rows.append(row | records.value(score, metric, spec))
            if isinstance(score, Curve):
                keys = ("dataset", "image", "net", "method", "metric")
                curves.append({key: row[key] for key in keys} | {"shares": score.shares, "scores": score.scores})
    return rows, curves
