"""Explains a batch of images on a net by each method, and times the methods on a run's first images."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from ..config.protocol import LABEL, PREDICTED
from ..core.errors import Fatal, ImageError, NotApplicable, clean
from ..core.plugins import Plugin
from ..core.profiling import time_span
from ..data.types import Image, Object
from ..forward.cost import measure_work, time_call, time_warm_call
from ..forward.device import to_batch, widen
from ..nets.net import Net
from ..scoring.call_method import call_method, join_maps, protect
from .plan import Plan, Timing
from .rows import Batch, Explained, MethodResult, Subject, Work, finish_maps
from .targets import find_target, list_likeliest


def make_batch(plan: Plan, net: Net, labels: dict[int, int], images: Sequence[Image]) -> Batch:
    """Put images of one size on the device, with predictions and targets. Raise ImageError if a label is missing or unknown."""
    tensor = to_batch(images, plan.device)
    net.prepare(tensor)
    probabilities = predict(net, tensor)
    subjects = []
    for number, image in enumerate(images):
        label = None if image.label is None else _map_label(image.label, labels, image, plan, net)
        target = _choose_target(plan, net, image, label, probabilities[number])
        objects = [Object(_map_label(marked.label, labels, image, plan, net), marked.mask) for marked in image.objects]
        subjects.append(Subject(image, label, target, tuple(objects), probabilities[number]))
    return Batch(tensor, tuple(subjects))


def _choose_target(plan: Plan, net: Net, image: Image, label: int | None, probabilities: Tensor) -> int:
    """Return the class to explain. Raise ImageError if it is the label, and there is none."""
    target = plan.protocol.target
    if target == PREDICTED:
        return int(probabilities.argmax())
    if target != LABEL:
        return find_target(target, list_likeliest(probabilities), net.classes)
    if label is None and image.label is not None:
        raise ImageError(
            f'the net has no class for the label of {image.name}: explain the predicted class (target = "predicted")'
        )
    if label is None:
        raise ImageError(f'{image.name} has no label: explain the predicted class (target = "predicted")')
    return label


def _map_label(label: int | None, labels: dict[int, int], image: Image, plan: Plan, net: Net) -> int | None:
    """Return the net's class index of a label; None if the net lacks the class. Raise ImageError for an index out of range."""
    if label not in labels and not plan.images.classes:
        raise ImageError(
            f"{image.name} is of class {label}, but {net.name} has the classes 0 to {len(net.classes) - 1}"
        )
    return None if label is None else labels.get(label)


@torch.inference_mode()
def predict(net: Net, batch: Tensor) -> Tensor:
    """Return the probabilities (n, classes) of images (n, 3, h, w), on the CPU. Raise ImageError if they are not finite."""
    probabilities: Tensor = net.to_probabilities(widen(net(batch))).cpu()
    if not probabilities.isfinite().all():
        raise ImageError(f"{net.name} gives class scores that are not finite (NaN or infinite): are its weights sound?")
    return probabilities


def time_predictions(net: Net, batch: Batch) -> Batch:
    """Return the batch with the seconds of a prediction of each image, the unit in which machines can be compared."""
    predict(net, batch.images[:1])  # the first call may pay for the set-up of libraries
    subjects = []
    for number, subject in enumerate(batch.subjects):
        image = batch.images[number : number + 1]
        subjects.append(replace(subject, seconds=time_call(partial(predict, net, image), net.device)[1]))
    return Batch(batch.images, tuple(subjects))


def explain_batch(
    methods: Sequence[Plugin], net: Net, batch: Batch, timing: Timing = None, *, count: bool = False
) -> list[dict[str, MethodResult]]:
    """Return the result of each method, by its spec, for each image.

    `timing` says whether seconds are measured, of each image alone or of the whole batch. `count` also measures the work and
    the peak memory of each method on the first image, which takes one more call.
    """
    state, by_method = net.protected_state(), {}
    sums = net.sum_weights() if any(method.foreign for method in methods) else []
    with net.share_work(batch.images) if timing is None else nullcontext():
        for method in methods:
            with time_span("explaining"):
                by_method[method.spec] = _explain(method, net, batch, timing, count=count)
            if net.protected_state() != state or (method.foreign and net.sum_weights() != sums):
                raise Fatal(f"method {method.spec} leaves {net.name} changed: a hook, train mode, or other weights")
    finished = finish_maps(by_method, len(batch.subjects))
    return [{spec: results[number] for spec, results in finished.items()} for number in range(len(batch.subjects))]


def _explain(method: Plugin, net: Net, batch: Batch, timing: Timing, *, count: bool) -> Explained:
    """Return the maps of a method with their cost, or the reason why there are none."""
    try:
        work = _measure_work(method, net, batch.select(0)) if count else Work()
        if timing == "single":
            parts = [batch.select(number) for number in range(len(batch.subjects))]
            timed = [time_warm_call(partial(_prepare_call, method, net, part), net.device) for part in parts]
            maps = join_maps(method, [maps for maps, _ in timed])
            return Explained(maps, [seconds for _, seconds in timed], work=work)
        if timing and method.foreign:
            _prepare_call(method, net, batch)()  # a net's first batch is also explained alone, which is not timed
        prepare = partial(_prepare_call, method, net, batch)
        maps, seconds = time_warm_call(prepare, net.device) if timing else (prepare()(), math.nan)
        return Explained(maps, batch_seconds=seconds / len(maps), work=work)
    except NotApplicable as reason:
        if method.foreign and len(batch.subjects) > 1:
            return _explain_each(method, net, batch, timing)
        return Explained(reason=clean(str(reason)))


def _explain_each(method: Plugin, net: Net, batch: Batch, timing: Timing) -> Explained:
    """Return the maps of a method that does not apply to all images of a batch, and the reason for each of the others."""
    maps, seconds, reasons = dict[int, Tensor](), [math.nan] * len(batch.subjects), dict[int, str]()
    for number in range(len(batch.subjects)):
        prepare = partial(_prepare_call, method, net, batch.select(number))
        try:
            if timing == "single":
                maps[number], seconds[number] = time_warm_call(prepare, net.device)
            else:
                maps[number] = prepare()()
        except NotApplicable as reason:
            reasons[number] = clean(str(reason))
    if not maps:
        return Explained(reason=reasons[0])
    blank = torch.zeros_like(next(iter(maps.values())))
    joined = join_maps(method, [maps.get(number, blank) for number in range(len(batch.subjects))])
    return Explained(joined, seconds if timing == "single" else (), reasons=reasons)


def _prepare_call(method: Plugin, net: Net, batch: Batch) -> Callable[[], Tensor]:
    """Return a function that calls a method with a batch, and returns the maps (n, h', w')."""
    images = protect(method, batch.images)
    targets, seeds = [subject.target for subject in batch.subjects], [subject.seed for subject in batch.subjects]
    return partial(call_method, method, net, images, targets, seeds)


def _measure_work(method: Plugin, net: Net, batch: Batch) -> Work:
    work = measure_work(_prepare_call(method, net, batch), net.device)
    prediction = measure_work(lambda: predict(net, batch.images), net.device)
    return Work(work.flops / prediction.flops, float(work.peak_bytes))
