"""Explain one image: its likeliest classes and, for each class, the maps of the methods and their scores.

The maps are computed, fitted and scored by the steps of a run, so the numbers are those of a run.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..config.defaults import DEFAULTS
from ..config.protocol import Protocol, find_protocol
from ..config.suite import check_distinct
from ..config.suite_file import load as load_suite
from ..core import plugins, specs
from ..core.errors import PluginError, UsageError
from ..core.plugins import METHOD, Plugin
from ..data.types import Image
from ..forward.device import find_device, to_batch, use_exact_arithmetic
from ..nets import load as nets
from ..nets.net import Net
from ..nets.zoo import SHIPPED, describe_training
from ..run.explain import explain_batch, predict
from ..run.plan import Measure, apply_protocol, find_layer
from ..run.rows import Batch, MethodResult, Subject, make_value_columns
from ..run.runner import score_maps
from ..run.targets import find_target, list_likeliest
from ..scoring.case import FloatMap, Score
from ..scoring.postprocess import postprocess
from .explanation import Explanation, Guess, MetricResult

MODULE_SETTINGS = ("name", "classes", "preprocess", "mean", "std", "scores", "output")
CALLER = "the caller"  # the method's name in messages about a map that the caller passes


@dataclass(frozen=True)
class ExplainSetup:
    """How every image is explained: the protocol, and the methods and metrics with its settings."""

    protocol: Protocol
    methods: Sequence[Plugin]
    measures: Sequence[Measure]


def make_setup(
    methods: Sequence[str | Plugin], metrics: Sequence[str] | None = None, protocol: str = "default"
) -> ExplainSetup:
    """Find the methods, metrics and protocol of these specs.

    Without metrics, the default ones that belong to the protocol are taken, or else all of its metrics. Raise UsageError for
    a spec that names nothing.
    """
    metrics = None if metrics is None else specs.to_list(metrics)
    rules = find_protocol(protocol)
    defaults = [name for name in DEFAULTS.metrics if name in rules.list_metric_names()] or rules.list_metric_names()
    suite = load_suite(DEFAULTS.suite, protocols=[protocol], metrics=list(metrics or defaults))
    measures = [Measure(plugin, variant) for plugin, variant in suite.find_metric_plugins([rules])]
    chosen = [plugins.find(METHOD, method, suite.seed) if isinstance(method, str) else method for method in methods]
    return ExplainSetup(rules, [apply_protocol(rules, method) for method in check_distinct(chosen)], measures)


def load_net(
    net: str | nn.Module,
    layer: str | None,
    protocol: Protocol,
    device: str = "auto",
    precision: str = "auto",
    **settings: Any,
) -> Net:
    """Load a net, split at `layer` (`features.29` or `features[29]`), else at the protocol's layer, else at its own.

    `settings` describe a live module as a spec would: its name, classes, preprocess, or mean and std, scores and output. Raise
    UsageError for a net, layer, device, precision or setting that does not exist.
    """
    if not isinstance(net, str | nn.Module):
        raise UsageError(f"a net is a spec, such as vgg16, or a torch.nn.Module, not {type(net).__name__}")
    chosen_device = find_device(device)
    dotted = re.sub(r"\[(\d+)\]", r".\1", str(layer)) if layer not in (None, "") else None
    if isinstance(net, nn.Module):
        _check_module_settings(settings)
        named = {"name": type(net).__name__} | settings
        return nets.load_module(net, **named, layer=dotted, device=chosen_device, precision=precision)
    if settings:
        example = f"{net}[{next(iter(settings))}=...]"
        raise UsageError(f"{', '.join(settings)}: a net given by name takes this in its spec, {example}")
    loaded = nets.load(net, chosen_device, precision, dotted or find_layer(protocol, net))
    spec = specs.parse("net", net, str)
    if spec.name in SHIPPED and "weights" not in spec.settings:
        loaded.notes += (describe_training(spec.name),)
    return loaded


def _check_module_settings(settings: Mapping[str, Any]) -> None:
    if unknown := settings.keys() - MODULE_SETTINGS:
        raise UsageError(f"{', '.join(sorted(unknown))}: a module takes {', '.join(MODULE_SETTINGS)}")


@use_exact_arithmetic()
def explain(image: Image, net: Net, targets: Sequence[str], setup: ExplainSetup) -> list[Explanation]:
    """Explain each target class by each method, in this order.

    A target is the index of a class, its name, or its rank among the likeliest classes, `top1` to `top5`. Raise UsageError
    for a target that the net does not have.
    """
    try:
        return _explain(image, net, targets, setup)
    except PluginError as error:
        raise PluginError(f"{image.name}: {error}") from error


def _explain(image: Image, net: Net, targets: Sequence[str], setup: ExplainSetup) -> list[Explanation]:
    with net.blame():
        images, probabilities, order = _predict(image, net)
    guesses = {index: Guess(index, net.classes[index], float(probabilities[index])) for index in order}
    explanations = []
    for index in dict.fromkeys(find_target(name, order, net.classes) for name in targets):
        batch = Batch(images, (Subject(image, None, index, (), probabilities),))
        guess = guesses.get(index) or Guess(index, net.classes[index], float(probabilities[index]))
        with net.blame():
            explanations += _explain_target(batch, guess, tuple(guesses.values()), net, setup)
    return explanations


@use_exact_arithmetic()
def score_map(map: Tensor, image: Image, net: Net, target: str, setup: ExplainSetup) -> dict[str, float]:
    """Return the score of a map (h', w') of a target class by each metric of a setup; `explain` says what a target is.

    Metrics that need further maps of the method are left out, because there is no method.
    """
    with net.blame():
        images, probabilities, order = _predict(image, net)
    batch = Batch(images, (Subject(image, None, find_target(target, order, net.classes), (), probabilities),))
    results = {CALLER: MethodResult(map.to(net.device), map.cpu().numpy())}
    with net.blame():
        (scores,) = score_maps([], net, batch, [results], setup.measures)
    by_metric = [
        _make_metric_result(measure, score, CALLER)
        for measure, score in zip(setup.measures, scores[CALLER], strict=True)
    ]
    return {result.metric: result.value for result in by_metric if result.value is not None}


def _predict(image: Image, net: Net) -> tuple[Tensor, Tensor, list[int]]:
    """Return the image as a batch (1, 3, h, w), its class probabilities, and the likeliest classes, most likely first."""
    batch = to_batch([image], net.device)
    net.prepare(batch)
    probabilities = predict(net, batch)[0]
    return batch, probabilities, list_likeliest(probabilities)


def _explain_target(
    batch: Batch, target: Guess, top: tuple[Guess, ...], net: Net, setup: ExplainSetup
) -> list[Explanation]:
    """Explain one target by each method of a setup."""
    (results,) = explain_batch(setup.methods, net, batch)
    (scores,) = score_maps(setup.methods, net, batch, [results], setup.measures)
    image = batch.subjects[0].image
    notes = (*net.notes, image.note) if image.note else net.notes
    explanations = []
    for method, result in results.items():
        raw, scored_map = _convert_map(result, batch, setup.protocol)
        # a method that does not apply has no scores
        scored = zip(setup.measures, scores.get(method, ()), strict=False)
        explanation = Explanation(
            image=image, net=net.name, layer=net.layer, protocol=setup.protocol.name, method=method,
            target=target, top=top, raw=raw, map=scored_map, reason=_describe_missing_map(result), notes=notes,
            results=tuple(_make_metric_result(measure, score, method) for measure, score in scored),
        )  # fmt: skip
        explanations.append(explanation)
    return explanations


def _describe_missing_map(result: MethodResult) -> str:
    return result.reason or ("" if result.finite else "the map is not finite (NaN or infinite) and counts as constant")


def _convert_map(result: MethodResult, batch: Batch, protocol: Protocol) -> tuple[FloatMap | None, FloatMap | None]:
    """Return the map as the method returned it, and as it is scored; None, None if the method does not apply."""
    if result.map is None:
        return None, None
    height, width = batch.images.shape[2:]
    return result.map.cpu().numpy(), postprocess(result.map[None], (height, width), protocol)[0].cpu().numpy()


def _make_metric_result(measure: Measure, score: Score, method: str) -> MetricResult:
    metric = measure.metric
    row = make_value_columns(score, metric, method)
    value = None if row["reason"] else row["value"]
    return MetricResult(metric.spec, metric.short, metric.better, value, row["reason"] or "")
