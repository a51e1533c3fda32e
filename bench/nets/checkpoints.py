"""Weights from a file, read without running anything that is in it, and fitted to a net."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..core.errors import UsageError

HOLDERS = ("state_dict", "model_state_dict", "model", "net", "weights")  # what training code puts the weights under
State = dict[str, Tensor]


def read(path: Path) -> State:
    """The weights in a file (.safetensors, or PyTorch's own). Raises UsageError for what is none."""
    if not path.is_file():
        raise UsageError(f"there is no file of weights {path}")
    try:
        found: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except SafetensorError as error:
        raise UsageError(f"{path} is not a safetensors file: {error}") from None
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{path} holds more than weights, or none, and nothing else is read from a file: write it with "
            "torch.save(net.state_dict(), FILE), or as safetensors"
        ) from None
    for holder in HOLDERS:
        if isinstance(found, Mapping) and isinstance(found.get(holder), Mapping):
            found = found[holder]
    if (
        not isinstance(found, Mapping)
        or not found
        or not all(isinstance(name, str) and isinstance(one, Tensor) and not one.is_meta for name, one in found.items())
    ):
        raise UsageError(f"{path} holds no weights by name: write it with torch.save(net.state_dict(), ...)")
    return dict(found)


def fit(net: nn.Module, state: State, source: Path, name: str) -> None:
    """Puts weights into a net, which is then fp32. Raises UsageError where they do not fit."""
    try:
        net.load_state_dict(renamed(state, net), assign=True)
    except RuntimeError as error:
        raise UsageError(f"{source} does not fit {name}: {_first(error, 1)}") from None
    net.float()


def renamed(state: State, net: nn.Module) -> State:
    """The weights by a net's own names, without what stands before all of them, as DataParallel's `module.`."""
    wanted = net.state_dict().keys()
    while not state.keys() & wanted and len({name.partition(".")[0] for name in state}) == 1 and "." in min(state):
        state = {name.partition(".")[2]: weight for name, weight in state.items()}
    return state


def _first(error: BaseException, line: int = 0) -> str:
    lines = [text.strip() for text in str(error).splitlines() if text.strip()]
    return lines[min(line, len(lines) - 1)] if lines else type(error).__name__
