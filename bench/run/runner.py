"""Computes the rows of images on a net: predictions, maps, scores and cost."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from ..config.protocol import Protocol
from ..core.errors import NotApplicable
from ..core.plugins import Plugin
from ..data.types import Image
from ..nets.net import Net
from ..scoring import score as scoring
from ..scoring.case import Case, Curve, FloatMap, Score
from ..scoring.postprocess import postprocess
from ..scoring.rerun import MethodRunner, prepare_rerun
from ..store.parts import NetImage, Unit
from . import rows
from .explain import explain_batch, make_batch, time_predictions
from .plan import Measure, Plan, Timing
from .rows import Batch, MethodResult, Subject

STRIP_IMAGES = 2  # for the run's first images, the maps at the points of a curve of maps are kept

Row = dict[str, Any]
ExplainedImage = tuple[Subject, dict[str, MethodResult]]  # results by method
ProtocolScores = tuple[
    Protocol, list[Measure], dict[str, list[Score]]
]  # of one image: by method, a score for each measure


def compute_units(
    plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]], fp32_net: Net | None = None
) -> list[Unit]:
    """Compute the rows of indexed images that share batches; for the images that measure the drift, also their scores in fp32.

    `fp32_net` is the same net in fp32; None if no image measures the drift.
    """
    drift_images = [(index, image) for index, image in images if index in plan.drift_indices]
    drift = _score_in_fp32(plan, fp32_net, labels, drift_images) if fp32_net is not None else {}
    units = _compute_group(plan, net, labels, images)
    for unit in units:
        unit.rows["drift"] = drift.get(unit.net_image, [])
    return units


def _score_in_fp32(
    plan: Plan, fp32_net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]
) -> dict[NetImage, list[Row]]:
    """Return the rows of scores in fp32, by net and image."""
    exact = replace(plan, precision="fp32", compiled=False, measures_seconds=False)
    return {unit.net_image: unit.rows["scores"] for unit in _compute_group(exact, fp32_net, labels, images)}


def _compute_group(plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]) -> list[Unit]:
    """Return the units of images whose perturbed images share batches, in their order."""
    by_size: dict[tuple[tuple[int, ...], Timing], list[tuple[int, Image]]] = {}
    for index, image in images:
        by_size.setdefault((image.pixels.shape, plan.find_timing(index)), []).append((index, image))
    units = {
        index: unit
        for (_, timing), group in by_size.items()
        for (index, _), unit in zip(group, _compute_batch(plan, net, labels, group, timing), strict=True)
    }
    return [units[index] for index, _ in images]


def _compute_batch(
    plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]], timing: Timing
) -> Iterator[Unit]:
    """Yield the units of images of one size, all timed in the same way."""
    batch = make_batch(plan, net, labels, [image for _, image in images])
    if timing == "single":
        batch = time_predictions(net, batch)
    # Work is counted once a run: it is nearly the same for every image, and counting is slow.
    results = explain_batch(plan.methods, net, batch, timing, count=images[0][0] == plan.indices[0])
    protocols = [
        (protocol, list(group)) for protocol, group in groupby(plan.measures, key=lambda measure: measure.protocol)
    ]
    scores = [score_maps(plan.methods, net, batch, results, measures) for _, measures in protocols]
    for number, (index, _) in enumerate(images):
        image_scores = [(*pair, per_image[number]) for pair, per_image in zip(protocols, scores, strict=True)]
        explained = batch.subjects[number], results[number]
        yield _make_unit(plan, net, explained, image_scores, keep_strips=index in plan.indices[:STRIP_IMAGES])


def _make_unit(
    plan: Plan, net: Net, explained: ExplainedImage, scores: Sequence[ProtocolScores], *, keep_strips: bool
) -> Unit:
    """Make the unit of one image on one net, with all its rows."""
    subject, results = explained
    image_key = {"dataset": plan.suite.dataset, "image": subject.image.name}
    key: Row = {**image_key, "net": net.name}
    maps = {method: result for method, result in results.items() if result.map is not None}
    unit = Unit((net.name, subject.image.name))
    unit.rows["predictions"] = [key | rows.make_prediction_columns(net, subject)]
    if net.name == plan.suite.nets[0]:
        unit.rows["images"] = [image_key | {"jpeg": rows.encode_jpeg(subject.image)}]
    unit.rows["maps"] = [
        key | {"method": method} | rows.make_map_columns(result.raw) for method, result in maps.items()
    ]
    unit.rows["cost"] = [
        key | {"layer": net.layer, "method": method} | rows.make_cost_columns(result) for method, result in maps.items()
    ]
    key |= {"layer": net.layer, "label": subject.label, "target": subject.target}
    unit.rows["scores"], unit.rows["curves"], strips = _score_rows(key, results, scores)
    unit.rows["strips"] = strips if keep_strips else []
    return unit


def _score_rows(
    key: Row, results: dict[str, MethodResult], scores: Sequence[ProtocolScores]
) -> tuple[list[Row], list[Row], list[Row]]:
    """Return the rows of an image's scores, of its curves, and of the maps along the curves."""
    score_rows, curve_rows, strip_rows = list[Row](), list[Row](), list[Row]()
    for protocol, measures, by_method in scores:
        versions = [{"protocol": protocol.name, "version": measure.metric.version} for measure in measures]
        for method, result in results.items():
            method_scores = by_method.get(method) or [NotApplicable(result.reason)] * len(measures)
            flags = {"constant_map": result.constant, "nan_map": not result.finite}
            for measure, version, score in zip(measures, versions, method_scores, strict=True):
                value = rows.make_value_columns(score, measure.metric, method)
                score_rows.append({**key, "method": method, "metric": measure.spec, **flags, **version, **value})
                if isinstance(score, Curve):
                    curve_key = {name: key[name] for name in ("dataset", "image", "net")}
                    curve_key |= {"method": method, "metric": measure.spec}
                    curve_rows.append(curve_key | {"shares": score.shares, "scores": score.scores})
                    strip_rows += [curve_key | strip for strip in rows.make_strip_rows(score)]
    return score_rows, curve_rows, strip_rows


def score_maps(
    methods: Sequence[Plugin],
    net: Net,
    batch: Batch,
    results: Sequence[dict[str, MethodResult]],
    measures: Sequence[Measure],
) -> list[dict[str, list[Score]]]:
    """Return for each image of a batch the scores of each method that gave a map: one for each of a protocol's measures.

    A map whose method is not among `methods` has no scores by metrics that run it again.
    """
    protocol, size = measures[0].protocol, (batch.images.shape[2], batch.images.shape[3])
    fitted = _fit_maps(results, size, protocol)
    if fitted is None:
        return [{} for _ in results]
    runners = _make_runners(methods, net, partial(postprocess, size=size, protocol=protocol), len(results))
    cases = _make_cases(batch, results, _HostMaps(fitted), runners)
    net.prepare(batch.images)
    metrics = [measure.metric for measure in measures]
    scores = iter(scoring.score(net, cases, metrics, protocol.score, fitted))
    return [{spec: next(scores) for spec, result in image.items() if result.map is not None} for image in results]


def _fit_maps(results: Sequence[dict[str, MethodResult]], size: tuple[int, int], protocol: Protocol) -> Tensor | None:
    """Fit and stretch all maps to an image size: (n, h, w), image by image, on their device. Return None without any."""
    fitted: dict[tuple[int, str], Tensor] = {}
    for spec in results[0]:
        maps = {number: map_ for number, image in enumerate(results) if (map_ := image[spec].map) is not None}
        if maps:
            of_method = postprocess(torch.stack(list(maps.values())), size, protocol)
            fitted |= {(number, spec): map_ for number, map_ in zip(maps, of_method, strict=True)}
    ordered = [
        fitted[number, spec] for number in range(len(results)) for spec in results[0] if (number, spec) in fitted
    ]
    return torch.stack(ordered) if ordered else None


class _HostMaps:
    """Maps (n, h, w) of a device on the host, read-only; all are copied when a metric first takes one."""

    def __init__(self, maps: Tensor) -> None:
        self._maps = maps

    def take(self, number: int) -> FloatMap:
        return self._arrays[number]

    @cached_property
    def _arrays(self) -> FloatMap:
        arrays: FloatMap = self._maps.cpu().numpy()
        arrays.flags.writeable = False
        return arrays


def _make_runners(
    methods: Sequence[Plugin], net: Net, fit: Callable[[Tensor], Tensor], batch: int
) -> dict[str, MethodRunner]:
    return {method.spec: MethodRunner(method, net, fit, batch) for method in methods}


def _make_cases(
    batch: Batch,
    results: Sequence[dict[str, MethodResult]],
    fitted: _HostMaps,
    runners: dict[str, MethodRunner],
) -> list[Case]:
    """Return what metrics score: each map as it is and brought to its image. Both arrays are read-only."""
    cases = list[Case]()
    for image, subject, by_method in zip(batch.images, batch.subjects, results, strict=True):
        shared: dict[Hashable, Any] = {}
        for spec, result in by_method.items():
            if result.raw is not None:
                result.raw.flags.writeable = False
                runner = runners.get(spec)
                rerun = prepare_rerun(runner, image, subject.target, subject.seed) if runner else None
                map_ = partial(fitted.take, len(cases))
                cases.append(
                    Case(map_, subject.target, subject.objects, image, result.raw, rerun, subject.seed, shared)
                )
    return cases
