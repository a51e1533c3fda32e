"""Reads class scores: logits or probabilities, of classes that exclude each other or of classes that each apply or not.

Read by a softmax, the probabilities of an image sum to 1. Read by a sigmoid, each is in [0, 1] whatever the others are, as in
multi-label nets. One score an image is that of the second of two classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from ..core.choices import Link
from ..core.errors import UsageError, list_known_names
from ..forward.probabilities import to_log_probabilities, to_probabilities
from .layers import has_weights

Scores = Literal["", "softmax", "sigmoid", "logits"]  # how class scores are read, as the user says; empty: as they look
Kind = Literal["logits", "probabilities", "log-probabilities"]
TOLERANCE = 1e-3  # of the sum of probabilities
LEAST = 1e-5  # probability down to which the logarithms of a softmax are compared
AS_LOGITS: tuple[Kind, Link] = ("logits", "softmax")  # how scores are read that are no probabilities
AS_SET = ", as set by scores="  # the end of a note
STRENGTHS = (1.0, 30.0, 1e6)  # of the noise that the net's last layer is given, to see whether scores stay in [0, 1]


@dataclass(frozen=True)
class OutputSettings:
    """What the user says about what a net returns."""

    scores: Scores = ""  # how its class scores are read; empty: as they look
    output: str = ""  # the name or index of the output that holds them; empty: the only one that can
    class_count: int = 0  # of the names of the classes; 0 without names


NO_SETTINGS = OutputSettings()


class Log(nn.Module):
    """Turns the probabilities of a softmax into logits, up to a constant of each image."""

    def forward(self, probabilities: Tensor) -> Tensor:
        return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


class LogOdds(nn.Module):
    """Turns the probabilities of a sigmoid into logits."""

    def forward(self, probabilities: Tensor) -> Tensor:
        info = torch.finfo(probabilities.dtype)
        return probabilities.clamp(info.tiny, 1 - info.eps / 2).logit()


class TwoClasses(nn.Module):
    """Turns one score s (n, 1) of an image into the logits [-s/2, s/2] of two classes, whose softmax is the sigmoid of s."""

    def forward(self, scores: Tensor) -> Tensor:
        return torch.cat([-scores / 2, scores / 2], 1)


@dataclass(frozen=True)
class Reading:
    """What the numbers are that a net returns, and the link from its logits to probabilities."""

    kind: Kind
    link: Link
    is_set: bool = False  # by the user's scores=; else judged by the values
    is_single: bool = False  # one score an image

    @property
    def is_logits(self) -> bool:
        return self.kind == "logits"

    @property
    def link_of_classes(self) -> Link:
        """The link of the classes that are explained: those of one score exclude each other."""
        return "softmax" if self.is_single else self.link

    def agrees(self, logits: Tensor, scores: Tensor, tolerance: float) -> bool:
        """Tell whether these are the logits (n, classes) of scores that a net returned; of a softmax, up to a constant."""
        if logits.shape != scores.shape:
            return False
        largest = max(1.0, float(logits.abs().max()))
        if self.is_logits:
            return bool((logits - scores).abs().max() <= tolerance * max(1.0, float(scores.abs().max())))
        if self.link == "sigmoid":
            info = torch.finfo(scores.dtype)
            slack = tolerance * largest * scores * (1 - scores) + 4 * info.eps * scores + info.tiny
            return bool(((to_probabilities(logits, self.link) - scores).abs() <= slack).all())
        logs = scores if self.kind == "log-probabilities" else scores.clamp(min=LEAST / 10).log()
        reliable = logs > torch.tensor(LEAST).log()
        spread = logs[reliable].max() - logs[reliable].min()
        return bool((to_log_probabilities(logits, self.link) - logs)[reliable].abs().max() <= tolerance * spread)

    def make_inverse(self) -> nn.Module | None:
        """Make the module from what the net returns to logits; None if these are logits, up to a constant of each image."""
        if self.kind != "probabilities":
            return None
        return LogOdds() if self.link == "sigmoid" else Log()


def check_scores(scores: str) -> Scores:
    """Return how class scores are read, as the user says. Raise UsageError for another word."""
    for word in get_args(Scores):
        if scores == word:
            return cast(Scores, word)
    raise UsageError(f"scores={scores!r} is not known: {list_known_names(scores, get_args(Scores)[1:])}")


def identify(net: nn.Module, inputs: Tensor, scores: Tensor, setting: Scores) -> Reading:
    """Identify what a net's scores (n, classes) of its inputs are: as the user's `setting` says, else judged by their values.

    Raise UsageError if they cannot be what the user says.
    """
    is_single = scores.shape[1] == 1
    kind, link = AS_LOGITS if setting == "logits" else _judge(net, inputs, scores)
    if setting == "softmax" and is_single:
        raise UsageError("scores=softmax, but the net returns one score an image: set scores=sigmoid, or scores=logits")
    if setting == "sigmoid" and kind == "log-probabilities":
        raise UsageError("scores=sigmoid, but the net returns the logarithms of a softmax: leave the setting out")
    if setting == "sigmoid":
        link = "sigmoid"
    elif setting == "softmax" and link == "sigmoid":
        kind, link = AS_LOGITS
    return Reading(kind, link, setting != "", is_single)


def describe(reading: Reading, *, is_removed: bool) -> Iterator[str]:
    """Describe how class scores are read, in sentences for the report.

    `is_removed` says whether the net's last function was removed, so that it gives logits.
    """
    origin = AS_SET if reading.is_set else ""
    if reading.is_single:
        yield _describe_single(reading) + origin
    elif reading.link == "sigmoid" and reading.is_logits:
        yield f"its class scores are the sigmoids of its logits, each class by itself{AS_SET}"
    elif reading.link == "sigmoid":
        how = origin or " (they do not sum to 1); scores=logits reads them as logits"
        yield f"its class scores are the probabilities that it returns, each class by itself{how}"
    elif reading.is_set and reading.is_logits:
        yield f"its class scores are the softmax of the logits that it returns{AS_SET}"
    if reading.link == "sigmoid" and not reading.is_logits:
        yield f"methods explain the {'logits before its last sigmoid' if is_removed else 'log-odds of its probabilities'}"
    elif not reading.is_logits:
        yield f"it returns {reading.kind}: {_describe_softmax(reading, is_removed)}"


def _describe_single(reading: Reading) -> str:
    if reading.is_logits:
        return "it returns one score s an image: explained as two classes with the logits [-s/2, s/2]"
    return "it returns one probability p an image: explained as two classes with the probabilities [1 - p, p]"


def _describe_softmax(reading: Reading, is_removed: bool) -> str:
    if is_removed:
        return "its last softmax is removed"
    is_log = reading.kind == "log-probabilities"
    return "log-probabilities serve as logits" if is_log else "their logarithms serve as logits"


def _judge(net: nn.Module, inputs: Tensor, scores: Tensor) -> tuple[Kind, Link]:
    """Judge what scores (n, classes) are by their values, also where the net's last layer is given noise.

    Values in [0, 1] alone may be logits. Probabilities stay in [0, 1] whatever the last layer gives.
    """
    is_single = scores.shape[1] == 1
    if not is_single and (scores <= 0).all() and (scores.logsumexp(1).abs() < TOLERANCE).all():
        return "log-probabilities", "softmax"
    if not _are_in_range(scores):
        return AS_LOGITS
    noisy = _run_with_noise(net, inputs, scores)
    if not noisy or not all(map(_are_in_range, noisy)):
        return AS_LOGITS
    is_distribution = not is_single and all(map(_sum_to_one, [scores, *noisy]))
    return "probabilities", "softmax" if is_distribution else "sigmoid"


def _are_in_range(scores: Tensor) -> bool:
    finite = scores[scores.isfinite()]
    return bool(((finite > -(TOLERANCE**2)) & (finite < 1 + TOLERANCE**2)).all())


def _sum_to_one(scores: Tensor) -> bool:
    sums = scores.sum(1)
    return bool(((sums - 1).abs() < TOLERANCE)[sums.isfinite()].all())


def _run_with_noise(net: nn.Module, inputs: Tensor, scores: Tensor) -> list[Tensor]:
    """Return the scores with noise of each strength added to the input of the last layer that the scores depend on."""
    for layer in reversed(_list_layers(net, inputs)):
        noisy = [_add_noise(net, layer, inputs, strength) for strength in STRENGTHS]
        if not all(torch.equal(each, scores) for each in noisy):
            return noisy
    return []


def _list_layers(net: nn.Module, inputs: Tensor) -> list[nn.Module]:
    """List the net itself and its layers with weights, in the order in which they run last."""
    layers: list[nn.Module] = []

    def record(layer: nn.Module, arguments: tuple[Any, ...], _: Any) -> None:
        if arguments and isinstance(arguments[0], Tensor) and arguments[0].is_floating_point():
            layers.append(layer)

    leaves = [part for part in net.modules() if has_weights(part) and not any(True for _ in part.children())]
    handles = [leaf.register_forward_hook(record) for leaf in leaves]
    try:
        net(inputs.clone())
    finally:
        for handle in handles:
            handle.remove()
    return [net, *layers]


def _add_noise(net: nn.Module, layer: nn.Module, inputs: Tensor, strength: float) -> Tensor:
    """Return the net's scores with normal noise added to the input of one layer."""
    generator = torch.Generator().manual_seed(0)

    def add(_: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        noise = torch.randn(arguments[0].shape, generator=generator).to(arguments[0])
        return arguments[0] + strength * noise, *arguments[1:]

    handle = layer.register_forward_pre_hook(add)
    try:
        scores: Tensor = net(inputs.clone())
        return scores
    finally:
        handle.remove()
