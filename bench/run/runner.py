"""Computes the rows of images on a net: predictions, maps, scores and cost."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from ..config.protocol import Protocol
from ..core.errors import NotApplicable
from ..core.plugins import Plugin
from ..data.types import Image
from ..nets.net import Net
from ..scoring import score as scoring
from ..scoring.case import Case, Curve, Score
from ..scoring.postprocess import postprocess
from ..scoring.rerun import prepare_rerun
from ..store.run import NetImage, Unit
from . import rows
from .explain_image import explain_image, make_subject
from .plan import Measure, Plan
from .rows import MethodResult, Subject

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
    units = list(_compute_group(plan, net, labels, images))
    for unit in units:
        unit.rows["drift"] = drift.get(unit.net_image, [])
    return units


def _score_in_fp32(
    plan: Plan, fp32_net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]
) -> dict[NetImage, list[Row]]:
    """Return the rows of scores in fp32, by net and image."""
    exact = replace(plan, precision="fp32", compiled=False)
    return {unit.net_image: unit.rows["scores"] for unit in _compute_group(exact, fp32_net, labels, images)}


def _compute_group(plan: Plan, net: Net, labels: dict[int, int], images: Sequence[tuple[int, Image]]) -> Iterator[Unit]:
    """Yield the units of images whose perturbed images share batches."""
    explained: list[ExplainedImage] = []
    for index, image in images:
        subject = make_subject(plan, net, labels, image)
        # Work is counted once a run: it is nearly the same for every image, and counting is slow.
        explained.append((subject, explain_image(plan.methods, net, subject, count=index == plan.indices[0])))
    protocols = [
        (protocol, list(group)) for protocol, group in groupby(plan.measures, key=lambda measure: measure.protocol)
    ]
    scores = [score_maps(plan.methods, net, explained, protocol, measures) for protocol, measures in protocols]
    for number, (index, _) in enumerate(images):
        image_scores = [(*pair, per_image[number]) for pair, per_image in zip(protocols, scores, strict=True)]
        yield _make_unit(plan, net, explained[number], image_scores, keep_strips=index in plan.indices[:STRIP_IMAGES])


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
        key | {"method": method} | rows.make_map_columns(result.map) for method, result in maps.items()
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
    score_rows, curve_rows, strip_rows = [], [], []
    for protocol, measures, by_method in scores:
        for method, result in results.items():
            method_scores = by_method.get(method) or [NotApplicable(result.reason)] * len(measures)
            flags = {"constant_map": result.constant, "nan_map": not result.finite}
            for measure, score in zip(measures, method_scores, strict=True):
                row = key | {"method": method, "metric": measure.spec} | flags
                row |= {"protocol": protocol.name, "version": measure.metric.version}
                score_rows.append(row | rows.make_value_columns(score, measure.metric, method))
                if isinstance(score, Curve):
                    curve_key = {name: row[name] for name in ("dataset", "image", "net", "method", "metric")}
                    curve_rows.append(curve_key | {"shares": score.shares, "scores": score.scores})
                    strip_rows += [curve_key | strip for strip in rows.make_strip_rows(score)]
    return score_rows, curve_rows, strip_rows


def score_maps(
    methods: Sequence[Plugin],
    net: Net,
    explained: Sequence[ExplainedImage],
    protocol: Protocol,
    measures: Sequence[Measure],
) -> list[dict[str, list[Score]]]:
    """Return the scores of each method that gave a map, for each image: one for each measure of a protocol.

    Images of one size share batches. A map whose method is not among `methods` has no scores by metrics that run it again.
    """
    plugins = {method.spec: method for method in methods}
    cases = [_make_cases(plugins, net, subject, results, protocol) for subject, results in explained]
    scores: list[dict[str, list[Score]]] = [{} for _ in explained]
    sizes = [subject.batch.shape for subject, _ in explained]
    for size in dict.fromkeys(sizes):
        keys = [
            (number, method) for number in range(len(explained)) if sizes[number] == size for method in cases[number]
        ]
        if keys:
            net.prepare(explained[keys[0][0]][0].batch)
            batch = [cases[number][method] for number, method in keys]
            metrics = [measure.metric for measure in measures]
            batch_scores = scoring.score(net, batch, metrics, protocol.score)
            for (number, method), case_scores in zip(keys, batch_scores, strict=True):
                scores[number][method] = case_scores
    return scores


def _make_cases(
    methods: dict[str, Plugin], net: Net, subject: Subject, results: dict[str, MethodResult], protocol: Protocol
) -> dict[str, Case]:
    """Make the cases that metrics score, by method: its map as it is and brought to the image. Both arrays are read-only."""
    image = subject.batch[0]
    size = (image.shape[1], image.shape[2])
    cases = {}
    for method, result in results.items():
        if result.map is not None:
            fitted, raw = postprocess(result.map[None], size, protocol)[0].cpu().numpy(), result.map.cpu().numpy()
            for values in (fitted, raw):
                values.flags.writeable = False
            rerun = None
            if method in methods:
                fit = partial(postprocess, size=size, protocol=protocol)
                rerun = prepare_rerun(methods[method], net, image, subject.target, fit)
            cases[method] = Case(fitted, subject.target, subject.objects, image, raw, rerun)
    return cases
