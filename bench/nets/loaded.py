"""A net as whoever makes it hands it over: not cut, its classes and its input's colours as far as they are known."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from .preprocessing import Preprocess


@dataclass(frozen=True)
class Made:
    """A module with weights, and what is known of it."""

    net: nn.Module
    fingerprint: str  # of the weights
    classes: tuple[str, ...] = ()  # empty where they are not known
    preprocess: Preprocess | None = None  # that its weights were trained with; None where it is not known
    layer: str | None = None  # usual of its architecture
    size: int | None = None  # of the images that its weights were validated on
    code: str = ""  # the fingerprint of the user's own file
    notes: tuple[str, ...] = ()


def fingerprint(net: nn.Module) -> str:
    """The sha256 of a net's weights, by name."""
    digest = hashlib.sha256()
    for name, weight in net.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def seeded() -> Iterator[None]:
    """Random weights are the same ones every time, and other random numbers are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
