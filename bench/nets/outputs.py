"""Reads class scores out of what a net returns: a tensor, or a dictionary, tuple or object that holds one."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core.errors import PluginError

SCORE_NAMES = ("logits", "out", "output", "scores", "pred")  # of class scores in libraries' dictionaries and objects
TOLERANCE = 1e-3  # of the sum of probabilities
OutputKind = Literal["logits", "probabilities", "log-probabilities"]
ScoreLocation = (
    int | str | None
)  # where the class scores are in what a net returns; None if it returns the tensor itself


class ScoresOnly(nn.Module):
    """A net reduced to its class scores (n, classes), whatever else it returns."""

    def __init__(self, net: nn.Module, key: ScoreLocation = None, is_flat: bool = True) -> None:
        super().__init__()
        self.net, self.key, self.is_flat = net, key, is_flat

    def forward(self, inputs: Tensor) -> Tensor:
        """Return class scores (n, classes) of normalised inputs (n, channels, h, w)."""
        scores: Tensor = _select(self.net(inputs), self.key)
        return scores if self.is_flat else scores.flatten(1)  # fully convolutional nets give (n, classes, 1, 1)


class Log(nn.Module):
    """Turns probabilities into logits, up to a constant of each image."""

    def forward(self, probabilities: Tensor) -> Tensor:
        return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def wrap_scores(net: nn.Module, inputs: Tensor) -> tuple[ScoresOnly, Tensor]:
    """Return a net reduced to its class scores, and the scores (n, classes) of the inputs.

    Raise PluginError for a net that does not classify.
    """
    output = net(inputs)
    key = find_score_location(output)
    scores: Tensor = _select(output, key)
    is_flat = scores.dim() == 2
    if scores.dim() == 4 and scores.shape[2:] == (1, 1):
        scores = scores.flatten(1)
    _check_scores(scores, len(inputs))
    return ScoresOnly(net, key, is_flat), scores


def find_score_location(output: Any) -> ScoreLocation:
    """Return where the class scores are in what a net returned. Raise PluginError if there is no tensor."""
    if isinstance(output, Tensor):
        return None
    if isinstance(output, Mapping):
        names = [name for name in output if isinstance(output[name], Tensor)]
    elif isinstance(output, tuple | list) and not hasattr(output, "logits"):
        tensors = [index for index, value in enumerate(output) if isinstance(value, Tensor)]
        if tensors:
            return tensors[0]
        names = []
    else:
        names = [name for name in SCORE_NAMES if isinstance(getattr(output, name, None), Tensor)]
    candidates = [name for name in SCORE_NAMES if name in names] or names
    if not candidates:
        raise PluginError(f"the net returns {type(output).__name__} without class scores: return a tensor (n, classes)")
    return str(candidates[0])


def identify_kind(scores: Tensor) -> OutputKind:
    """Tell whether class scores (n, classes) are logits, probabilities or log-probabilities, judged by their values."""
    if (scores >= 0).all() and ((scores.sum(1) - 1).abs() < TOLERANCE).all():
        return "probabilities"
    if (scores <= 0).all() and (scores.logsumexp(1).abs() < TOLERANCE).all():
        return "log-probabilities"
    return "logits"


def _check_scores(scores: Tensor, count: int) -> None:
    """Raise PluginError for what are not class scores of so many images."""
    if scores.dim() != 2 or len(scores) != count:
        raise PluginError(f"the net returns {tuple(scores.shape)} for {count} images: class scores are (n, classes)")
    if scores.shape[1] < 2:
        raise PluginError(
            "the net returns one score per image; return one per class, at least two ([0, s] for a binary score s)"
        )
    if not scores.is_floating_point():
        raise PluginError(f"the net returns class scores as {scores.dtype}: return logits or probabilities")
    if not scores.isfinite().all():
        raise PluginError("the net returns class scores that are not finite: its weights may be damaged")


def _select(output: Any, key: ScoreLocation) -> Any:
    """Return what a net's output holds at a key; the output itself at None."""
    if key is None:
        return output
    return output[key] if isinstance(output, Mapping) or isinstance(key, int) else getattr(output, key)
