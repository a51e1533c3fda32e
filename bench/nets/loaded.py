"""A loaded model before it is split: the module and what its source knows about it."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from .preprocessing import Preprocess
from .readings import NO_SETTINGS, OutputSettings


@dataclass(frozen=True)
class LoadedModel:
    """A module with its weights, its classes and its preprocessing."""

    module: nn.Module
    fingerprint: str  # of the weights
    classes: tuple[str, ...] = ()  # names in the order of the logits; empty if unknown
    preprocess: Preprocess | None = None  # that the weights were trained with; None if unknown
    layer: str | None = None  # usually explained for this architecture; None if unknown
    size: int | None = None  # pixels: side of the images that the weights were validated on
    code: str = ""  # fingerprint of the user's source files; empty for nets of libraries
    file: str = ""  # the user's source file; empty for nets of libraries
    notes: tuple[str, ...] = ()  # sentences for the report
    reading: str = ""  # what was decided about its computation that neither its weights nor its name show
    settings: OutputSettings = NO_SETTINGS  # what the user says about what the net returns


def compute_fingerprint(module: nn.Module) -> str:
    """Return the SHA-256 of a module's weights and their names, and of buffers that its state leaves out."""
    digest, state = hashlib.sha256(), module.state_dict()
    for name, weight in (state | dict(module.named_buffers())).items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def fix_seed() -> Iterator[None]:
    """Seed torch's CPU generator with 0 inside the block, so that random weights repeat, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
