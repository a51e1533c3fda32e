"""Finds what a net writes to while it runs: outputs of its modules that later ones overwrite, and buffers."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Writes:
    """What a net that is a sequence of modules writes to."""

    outputs: frozenset[str] = frozenset()  # the modules whose output is overwritten after they have run, by key
    buffers: frozenset[str] = frozenset()  # as `nn.ModuleList(modules.values())` names them


@torch.no_grad()
def find_writes(modules: Mapping[str, nn.Module], images: Tensor) -> Writes:
    """Run modules one after the other on images (n, 3, h, w), and find what they write to."""
    buffers = dict(nn.ModuleList(modules.values()).named_buffers())
    before = {name: identify(buffer) for name, buffer in buffers.items()}
    copies = {name: buffer.clone() for name, buffer in buffers.items()}  # a batch norm raises no version
    outputs: list[tuple[str, Tensor, int]] = []  # without those of a net in inference mode, which have no version
    value = images
    for key, module in modules.items():
        value = module(value)
        if isinstance(value, Tensor) and not value.is_inference():
            outputs.append((key, value, value._version))
    after = dict(nn.ModuleList(modules.values()).named_buffers())
    return Writes(
        frozenset(key for key, output, version in outputs if output._version != version),
        frozenset(
            name
            for name, buffer in after.items()
            if identify(buffer) != before.get(name) or not _is_same(buffer, copies[name])
        ),
    )


def _is_same(tensor: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors are equal, NaN to NaN."""
    is_float = tensor.is_floating_point() and other.is_floating_point()
    return torch.equal(tensor, other) or (is_float and torch.equal(tensor.nan_to_num(), other.nan_to_num()))


def identify(tensor: Tensor) -> tuple[int, int]:
    """Return what changes when a tensor is written to, or another one takes its place.

    torch does not count writes to a tensor that was made in inference mode.
    """
    return -1 if tensor.is_inference() else tensor._version, id(tensor)
