"""Small files for large nets: 8-bit weights with a scale for each output channel; some matrices as two thin factors.

A file holds, for the tensor `t` of the net's state dict:
    t                      as it is (biases, batch norm)
    t:levels, t:scale      int8 levels, and the value of one level in each output channel: t = levels * scale
    t:left:..., t:right:...    two such factors: t = left @ right
`load` restores the whole state dict as float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from ..core.errors import UsageError

LEVELS = 127  # the largest level


@dataclass(frozen=True)
class Factors:
    """A matrix (m, n) of low rank, as left (m, r) times right (r, n)."""

    left: Tensor
    right: Tensor

    def multiply(self) -> Tensor:
        """Return the weight, the product of the factors."""
        return self.left @ self.right


def quantise(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return levels (int8, the weight's shape) and a float32 scale for each output channel, which is the first dimension."""
    rows = weight.detach().float().flatten(1)
    scale = rows.abs().amax(1).clamp_min(1e-12) / LEVELS
    levels = (rows / scale[:, None]).round().to(torch.int8)
    return levels.view(weight.shape), scale


def dequantise(levels: Tensor, scale: Tensor) -> Tensor:
    """Return the float32 weight of levels and the scale of each output channel."""
    return levels.float() * scale.view(-1, *[1] * (levels.ndim - 1))


def save(state: Mapping[str, Tensor | Factors], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a net's state dict, its matrices and kernels rounded to 255 levels, and metadata into the file's header."""
    stored: dict[str, Tensor] = {}
    for name, weight in state.items():
        if isinstance(weight, Factors):
            stored |= _pack(f"{name}:left", weight.left) | _pack(f"{name}:right", weight.right)
        else:
            stored |= _pack(name, weight)
    path.write_bytes(serialise(stored, metadata=dict(metadata)))


def _pack(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Return the entries of a file for a tensor: a vector as it is, anything larger as levels and scale."""
    if tensor.ndim < 2:
        return {name: tensor.detach().contiguous()}
    levels, scale = quantise(tensor)
    return {f"{name}:levels": levels.contiguous(), f"{name}:scale": scale}


def load(path: Path) -> dict[str, Tensor]:
    """Load a net's state dict: every tensor whole and float32, integer counters as stored.

    Raise UsageError for another file.
    """
    tensors = _unpack(_read(path))
    state = {name: tensor for name, tensor in tensors.items() if ":" not in name}
    for left in [name for name in tensors if name.endswith(":left")]:
        name = left.removesuffix(":left")
        state[name] = Factors(tensors[left], tensors[f"{name}:right"]).multiply()
    return state


def _unpack(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the stored tensors, levels multiplied by their scales."""
    tensors = {}
    for name, tensor in stored.items():
        if name.endswith(":levels"):
            base = name.removesuffix(":levels")
            tensors[base] = dequantise(tensor, stored[f"{base}:scale"])
        elif not name.endswith(":scale"):
            tensors[name] = tensor
    return tensors


def _read(path: Path) -> dict[str, Tensor]:
    """Read the stored tensors by name. Raise UsageError for a file that this suite has not written."""
    refusal = f"{path} is not a file of weights that this suite has written; reinstall it, or name another."
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (file is no mapping)
    except (SafetensorError, OSError) as error:
        raise UsageError(refusal) from error
    if not any(name.endswith(":levels") for name in stored):
        raise UsageError(refusal)
    return stored


def read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata in a file's header: for shipped nets their classes, normalisation, recipe and accuracy."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})
