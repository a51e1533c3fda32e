"""The straight line from a plan to records: net and image, to maps, to scores and cost."""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from statistics import median
from typing import Any

import torch
from torch import Tensor

from . import nets, records, scoring
from .again import again
from .case import Case, Curve, Score
from .cost import timed, work
from .errors import NotApplicable, UsageError
from .images import Image, Object
from .labels import labels_in
from .maps import bring
from .nets import Net
from .plan import Measure, Plan, layer_of
from .plugins import Plugin
from .protocol import Protocol
from .records import Explained, Subject
from .store import Cell, Unit

PREDICTIONS = 3  # that are timed for the seconds of one
STRIPS = 2  # images of which the maps behind a curve of maps are kept


def units(plan: Plan, done: set[Cell]) -> Iterator[Unit]:
    """What each image gives on each net, but for the cells that are done; net by net, in the order of the images."""
    for spec in plan.suite.nets:
        todo = [index for index in plan.chosen if (spec, plan.images.name(index)) not in done]
        if todo:
            net = nets.load(spec, plan.device, plan.precision, layer_of(plan.protocol, spec))
            labels = labels_in(plan.images, net.classes)
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
    unit.rows["scores"], unit.rows["curves"], strips = _records(plan, net, subject, explained, about)
    unit.rows["strips"] = strips if index in plan.chosen[:STRIPS] else []
    return unit


def _subject(plan: Plan, net: Net, labels: dict[int, int], image: Image) -> Subject:
    batch = torch.tensor(image.pixels, device=plan.device).permute(2, 0, 1)[None].contiguous().float() / 255
    net.prepare(batch)
    probabilities = _predict(net, batch)
    label = None if image.label is None else _in_net(image.label, labels, image, plan, net)
    if plan.protocol.target == "label" and label is None:
        raise UsageError(f'{image.name} has no label: explain the predicted class (target = "predicted")')
    target = int(probabilities.argmax()) if plan.protocol.target == "predicted" or label is None else label
    objects = tuple(Object(_in_net(thing.label, labels, image, plan, net), thing.mask) for thing in image.objects)
    return Subject(image, batch, label, target, objects, probabilities, _bare(net, batch))


def _in_net(label: int | None, labels: dict[int, int], image: Image, plan: Plan, net: Net) -> int | None:
    """The net's class index of a label; None where its name is none of the net's."""
    if label not in labels and not plan.images.classes:
        raise UsageError(
            f"{image.name} is of class {label}, but {net.name} has the classes 0 to {len(net.classes) - 1}"
        )
    return None if label is None else labels.get(label)


@torch.inference_mode()
def _predict(net: Net, batch: Tensor) -> Tensor:
    probabilities: Tensor = net(batch)[0].double().softmax(-1)
    if not probabilities.isfinite().all():
        raise UsageError(f"{net.name} gives class scores that are not finite (NaN or infinite): are its weights sound?")
    return probabilities


def _bare(net: Net, batch: Tensor) -> float:
    """The median seconds of a prediction: the clock by which methods' seconds are told on any machine."""
    return median(timed(lambda: _predict(net, batch), batch.device)[1] for _ in range(PREDICTIONS))


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
    finite = bool((one.amax() - one.amin()).isfinite())
    one = one if finite else torch.zeros_like(one)
    if counted is None:
        return Explained(one, seconds, finite=finite)
    prediction = work(lambda: _predict(net, subject.batch), targets.device).flops
    return Explained(one, seconds, counted.flops / prediction, float(counted.peak_bytes), finite=finite)


def _map(method: Plugin, net: Net, maps: Any) -> Tensor:
    """The one map (h, w) that a method gave, float32. Raises UsageError where it gave something else."""
    if not isinstance(maps, Tensor) or maps.dim() != 3 or len(maps) != 1 or not maps.numel() or maps.is_complex():
        given = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise UsageError(f"method {method.spec} gives {given} for one image: a map is a real tensor (1, h, w)")
    return maps[0].detach().to(net.device, torch.float32)


def _records(
    plan: Plan, net: Net, subject: Subject, explained: dict[str, Explained], about: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of scores, of curves, and of their maps: of each method, by each measure."""
    rows, curves, strips = [], [], []
    for protocol, measures in groupby(plan.measures, key=lambda measure: measure.protocol):
        metrics = list(measures)
        scored = _scored(plan, net, subject, explained, protocol, metrics)
        for spec, made in explained.items():
            flat = made.map is not None and not bool((made.map != made.map.flatten()[0]).any())
            for number, measure in enumerate(metrics):
                score = scored[spec][number] if spec in scored else NotApplicable(made.reason)
                row = about | {"method": spec, "metric": measure.spec}
                row |= {"constant_map": flat, "nan_map": not made.finite}
                row |= {"protocol": protocol.name, "version": measure.metric.version}
                rows.append(row | records.value(score, measure.metric, spec))
                if isinstance(score, Curve):
                    key = {name: row[name] for name in ("dataset", "image", "net", "method", "metric")}
                    curves.append(key | {"shares": score.shares, "scores": score.scores})
                    strips += [key | strip for strip in records.strips(score)]
    return rows, curves, strips


def _scored(
    plan: Plan, net: Net, subject: Subject, explained: dict[str, Explained], protocol: Protocol, measures: list[Measure]
) -> dict[str, list[Score]]:
    """By method that gave a map, its scores by each measure of a protocol."""
    image, methods = subject.batch[0], {method.spec: method for method in plan.methods}
    size = (image.shape[1], image.shape[2])
    cases = {}
    for spec, made in explained.items():
        if made.map is not None:
            fitted, raw = bring(made.map[None], size, protocol)[0].cpu().numpy(), made.map.cpu().numpy()
            for values in (fitted, raw):
                values.flags.writeable = False
            asked = again(methods[spec], net, image, subject.target, partial(bring, size=size, protocol=protocol))
            cases[spec] = Case(fitted, subject.target, subject.objects, image, raw, asked)
    if not cases:
        return {}
    found = scoring.score(net, list(cases.values()), [measure.metric for measure in measures], protocol.score)
    return dict(zip(cases, found, strict=True))
