"""What a net gives, read as logits: out of a dictionary or a tuple, and from probabilities or their logarithms."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..core.errors import UsageError

NAMES = (
    "logits",
    "out",
    "output",
    "scores",
    "pred",
)  # of the class scores in a dictionary or an object, as libraries have it
TOLERANCE = 1e-3  # of probabilities' sum
Kind = Literal["logits", "probabilities", "log-probabilities"]
Place = int | str | None  # of the class scores in what a net gives; None where it gives them and nothing else


class Whole(nn.Module):
    """A net that gives logits (n, classes), whatever the module in it gives."""

    def __init__(self, net: nn.Module, place: Place = None, flat: bool = True) -> None:
        super().__init__()
        self.net, self.place, self.flat = net, place, flat

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = _at(self.net(images), self.place)
        return scores if self.flat else scores.flatten(1)  # (n, classes, 1, 1), as fully convolutional nets give it


class Log(nn.Module):
    """Probabilities to logits, up to a constant of each image."""

    def forward(self, probabilities: Tensor) -> Tensor:
        return probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log()


def read(net: nn.Module, images: Tensor) -> tuple[Whole, Tensor]:
    """A net as one that gives class scores, and its scores of images. Raises UsageError for one that does not classify."""
    given = net(images)
    found = place(given)
    scores: Tensor = _at(given, found)
    flat = scores.dim() == 2
    if scores.dim() == 4 and scores.shape[2:] == (1, 1):
        scores = scores.flatten(1)
    _sound(scores, len(images))
    return Whole(net, found, flat), scores


def place(given: Any) -> Place:
    """Where in what a net gave for images the class scores (n, classes) are. Raises UsageError where there are none."""
    if isinstance(given, Tensor):
        return None
    if isinstance(given, Mapping):
        names = [name for name in given if isinstance(given[name], Tensor)]
    elif isinstance(given, tuple | list) and not hasattr(given, "logits"):
        tensors = [place for place, one in enumerate(given) if isinstance(one, Tensor)]
        if tensors:
            return tensors[0]
        names = []
    else:
        names = [name for name in NAMES if isinstance(getattr(given, name, None), Tensor)]
    known = [name for name in NAMES if name in names] or names
    if not known:
        raise UsageError(
            f"the net gives {type(given).__name__}, with no class scores in it: a tensor (n, classes) is needed"
        )
    return str(known[0])


def kind(scores: Tensor) -> Kind:
    """What class scores (n, classes) are, by their values: logits, probabilities or log-probabilities."""
    if (scores >= 0).all() and ((scores.sum(1) - 1).abs() < TOLERANCE).all():
        return "probabilities"
    if (scores <= 0).all() and (scores.logsumexp(1).abs() < TOLERANCE).all():
        return "log-probabilities"
    return "logits"


def _sound(scores: Tensor, count: int) -> None:
    """Raises UsageError for what are no class scores of so many images."""
    if scores.dim() != 2 or len(scores) != count:
        raise UsageError(f"the net gives {tuple(scores.shape)} for {count} images: class scores are (n, classes)")
    if scores.shape[1] < 2:
        raise UsageError(
            "the net gives one score an image: give it one a class, two at least ([0, s] for a yes-or-no s)"
        )
    if not scores.is_floating_point():
        raise UsageError(f"the net gives class scores as {scores.dtype}: logits or probabilities are needed")
    if not scores.isfinite().all():
        raise UsageError("the net gives class scores that are not finite: its weights may be damaged")


def _at(given: Any, place: Place) -> Any:
    if place is None:
        return given
    return given[place] if isinstance(given, Mapping) or isinstance(place, int) else getattr(given, place)
