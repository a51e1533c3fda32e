"""Small files for large nets: eight-bit weights, one scale an output channel; some matrices as two thin factors.

A file holds, for the tensor `t` of the net's state:
    t                      as it is (biases, batch norm)
    t:levels, t:scale      int8 levels, and what one level is worth in each output channel: t = levels * scale
    t:left:..., t:right:...    two such factors: t = left @ right
Reading it gives back the whole state, float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor

from ..core.errors import UsageError

LEVELS = 127  # the largest level


@dataclass(frozen=True)
class Factors:
    """A matrix (m, n) of low rank, as left (m, r) times right (r, n)."""

    left: Tensor
    right: Tensor

    def product(self) -> Tensor:
        return self.left @ self.right


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Levels of the same shape, int8, and a float32 scale for each output channel (the first dimension)."""
    rows = weight.detach().float().flatten(1)
    scale = rows.abs().amax(1).clamp_min(1e-12) / LEVELS
    levels = (rows / scale[:, None]).round().to(torch.int8)
    return levels.view(weight.shape), scale


def dequantised(levels: Tensor, scale: Tensor) -> Tensor:
    return levels.float() * scale.view(-1, *[1] * (levels.ndim - 1))


def save(state: Mapping[str, Tensor | Factors], path: Path, facts: Mapping[str, str]) -> None:
    """Write a net's state; matrices and kernels are rounded to 255 levels. `facts` go to the file's header."""
    stored: dict[str, Tensor] = {}
    for name, part in state.items():
        if isinstance(part, Factors):
            stored |= packed(f"{name}:left", part.left) | packed(f"{name}:right", part.right)
        else:
            stored |= packed(name, part)
    path.write_bytes(serialised(stored, metadata=dict(facts)))


def packed(name: str, tensor: Tensor) -> dict[str, Tensor]:
    if tensor.ndim < 2:
        return {name: tensor.detach().contiguous()}
    levels, scale = quantised(tensor)
    return {f"{name}:levels": levels.contiguous(), f"{name}:scale": scale}


def load(path: Path) -> dict[str, Tensor]:
    """A net's state, every tensor whole and float32 (counters as they are)."""
    stored = unpacked(read(path))
    state = {name: tensor for name, tensor in stored.items() if ":" not in name}
    for name in [name for name in stored if name.endswith(":left")]:
        whole = name.removesuffix(":left")
        state[whole] = Factors(stored[name], stored[f"{whole}:right"]).product()
    return state


def unpacked(stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Levels and scales multiplied out; what is neither stays."""
    tensors = {}
    for name, tensor in stored.items():
        if name.endswith(":levels"):
            whole = name.removesuffix(":levels")
            tensors[whole] = dequantised(tensor, stored[f"{whole}:scale"])
        elif not name.endswith(":scale"):
            tensors[name] = tensor
    return tensors


def read(path: Path) -> dict[str, Tensor]:
    """The tensors in a file of ours, as stored."""
    refusal = f"{path} is not a file of weights that this suite has written; reinstall it, or name another."
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (file is no mapping)
    except (SafetensorError, OSError) as error:
        raise UsageError(refusal) from error
    if not any(name.endswith(":levels") for name in stored):
        raise UsageError(refusal)
    return stored


def facts(path: Path) -> dict[str, str]:
    """What a file says about its weights: classes, normalisation, recipe, accuracy."""
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})
