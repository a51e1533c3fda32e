"""Turns logits into the probabilities of classes, as a net's classes ask for it: by a softmax, or by a sigmoid of each."""

from torch import Tensor
from torch.nn.functional import logsigmoid

from ..core.choices import Link


def to_probabilities(logits: Tensor, link: Link) -> Tensor:
    """Return the probabilities (n, classes), in [0, 1], of logits (n, classes)."""
    return logits.softmax(-1) if link == "softmax" else logits.sigmoid()


def to_log_probabilities(logits: Tensor, link: Link) -> Tensor:
    """Return the logarithms (n, classes) of the probabilities of logits (n, classes)."""
    return logits.log_softmax(-1) if link == "softmax" else logsigmoid(logits)
