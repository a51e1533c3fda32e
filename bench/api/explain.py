"""Explanations of one image: its classes, and of each class asked for the maps of methods and their scores.

The maps are made, brought to the image and scored by the runner's own steps, so the numbers are those of a run.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..config.protocol import Protocol, find
from ..config.suite import distinct
from ..config.suite_file import load as load_suite
from ..core import plugins
from ..core.errors import UsageError
from ..core.plugins import METHOD, Plugin
from ..data.types import Image
from ..forward.device import batched, device_of
from ..forward.precision import chosen as precision_for
from ..nets import load as nets
from ..nets.net import Net
from ..nets.zoo import SHIPPED
from ..run import describe
from ..run.explain_image import explained, predict
from ..run.plan import Measure, following, layer_of
from ..run.rows import Explained, Subject, value
from ..run.runner import scored
from ..scoring.case import FloatMap, Score
from ..scoring.postprocess import bring
from .explanation import Explanation, Guess, Scored

TOP = 5  # classes that are listed
MANY = 20  # classes: more are not listed in a sentence
TOLD = ("name", "classes", "preprocess", "mean", "std")  # of a live module
USUAL = ("average_drop", "insertion", "deletion")  # metrics, where none is named


@dataclass(frozen=True)
class Asked:
    """What is asked of every image: a protocol, methods and metrics, ready to run."""

    protocol: Protocol
    methods: Sequence[Plugin]
    measures: Sequence[Measure]


def ask(methods: Sequence[str | Plugin], metrics: Sequence[str] | None = None, protocol: str = "default") -> Asked:
    """The methods and metrics of these specs; of no metrics, the usual ones that the protocol has. Raises UsageError."""
    own = find(protocol)
    usual = [name for name in USUAL if name in own.defined()] or own.defined()
    suite = load_suite("scenes", protocols=[protocol], metrics=list(metrics or usual))
    measures = [Measure(metric, one) for metric, one in suite.measured([own])]
    found = [plugins.find(METHOD, one, suite.seed) if isinstance(one, str) else one for one in methods]
    return Asked(own, [following(own, method) for method in distinct(found)], measures)


def load(
    net: str | nn.Module,
    layer: str | None,
    protocol: Protocol,
    device: str = "auto",
    precision: str = "auto",
    **about: Any,
) -> Net:
    """A net at a layer, `features.29` or `features[29]`: the one named, or the protocol's, or the net's own.

    `about` tells of a live module what a spec would say: its name, classes, preprocess, or mean and std. Raises UsageError.
    """
    if not isinstance(net, str | nn.Module):
        raise UsageError(f"a net is a spec, such as vgg16, or a torch.nn.Module, not {type(net).__name__}")
    place = device_of(device)
    at = re.sub(r"\[(\d+)\]", r".\1", str(layer)) if layer not in (None, "") else None
    exact = precision_for(precision, place)
    if isinstance(net, nn.Module):
        if unknown := about.keys() - TOLD:
            raise UsageError(f"{', '.join(sorted(unknown))}: of a module is told {', '.join(TOLD)}")
        return nets.of(net, **{"name": type(net).__name__} | about, layer=at, device=place, precision=exact)
    if about:
        raise UsageError(
            f"{', '.join(about)}: of a net by name this stands in its spec, {net}[{next(iter(about))}=...]"
        )
    found = nets.load(net, place, exact, at or layer_of(protocol, net))
    if net in SHIPPED:
        found.notes += (f"it knows the shapes of the data set scenes alone: for photos take {net}@imagenet",)
    return found


def explain(image: Image, net: Net, targets: Sequence[str], asked: Asked) -> list[Explanation]:
    """An explanation for each class, and of it by each method, in this order.

    A target is a class's index, its name, or its place among the likeliest, `top1` to `top5`. Raises UsageError.
    """
    batch = batched(image, net.device)
    net.prepare(batch)
    probabilities = predict(net, batch)
    order = probabilities.argsort(descending=True, stable=True)[:TOP].tolist()
    guesses = {index: Guess(index, net.classes[index], float(probabilities[index])) for index in order}
    found = []
    for index in dict.fromkeys(target_of(name, order, net.classes) for name in targets):
        subject = Subject(image, batch, None, index, (), probabilities)
        guess = guesses.get(index) or Guess(index, net.classes[index], float(probabilities[index]))
        found += _of_target(subject, guess, tuple(guesses.values()), net, asked)
    return found


def _of_target(subject: Subject, target: Guess, top: tuple[Guess, ...], net: Net, asked: Asked) -> list[Explanation]:
    made = explained(asked.methods, net, subject, count=False)
    (scores,) = scored(asked.methods, net, [(subject, made)], asked.protocol, asked.measures)
    return [
        Explanation(
            subject.image, net.name, net.layer, asked.protocol.name, spec, target, top,
            *_maps(one, subject, asked.protocol),
            tuple(_scored(measure, score, spec) for measure, score in zip(asked.measures, scores.get(spec, ()), strict=False)),
            one.reason or ("" if one.finite else "the map is not finite (NaN or infinite) and counts as constant"),
            net.notes,
        )
        for spec, one in made.items()
    ]  # fmt: skip


def _maps(made: Explained, subject: Subject, protocol: Protocol) -> tuple[FloatMap | None, FloatMap | None]:
    """As the method gave it, and as it is scored."""
    if made.map is None:
        return None, None
    height, width = subject.batch.shape[2:]
    return made.map.cpu().numpy(), bring(made.map[None], (height, width), protocol)[0].cpu().numpy()


def _scored(measure: Measure, score: Score, method: str) -> Scored:
    row = value(score, measure.metric, method)
    metric = measure.metric
    given = None if row["reason"] else row["value"]
    return Scored(metric.spec, metric.module.SHORT, describe.better(metric), given, row["reason"] or "")


def target_of(name: str, order: Sequence[int], classes: Sequence[str]) -> int:
    """The class index that a target names; `order` are the likeliest classes, the first first. Raises UsageError."""
    if match := re.fullmatch(r"top(\d+)", name):
        place = int(match[1])
        if not 1 <= place <= len(order):
            raise UsageError(f"there is no target {name}: top1 to top{len(order)} are the likeliest classes")
        return order[place - 1]
    if name.isdecimal():
        if int(name) >= len(classes):
            raise UsageError(f"there is no class {name}: the net has the classes 0 to {len(classes) - 1}")
        return int(name)
    found = [index for index, one in enumerate(classes) if one.casefold() == name.casefold()]
    if len(found) > 1:
        raise UsageError(f"{name!r} names {len(found)} classes: take an index, {' or '.join(map(str, found))}")
    if not found:
        raise UsageError(f"there is no class {name!r}: {_similar(name, classes)}")
    return found[0]


def _similar(name: str, classes: Sequence[str]) -> str:
    """The names that may have been meant; of few classes all."""
    close = [one for one in classes if name.casefold() in one.casefold()]
    close += [one for one in difflib.get_close_matches(name, classes, n=5, cutoff=0.55) if one not in close]
    if close:
        return f"did you mean {', '.join(map(repr, close[:5]))}?"
    if len(classes) <= MANY:
        return f"there are: {', '.join(classes)}"
    return (
        f"write one of the net's {len(classes)} names ({classes[0]}, {classes[1]}, ...), an index, or top1 to top{TOP}"
    )
