"""Reads weights from a file without running any code in it, and loads them into a net."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..core.errors import UsageError

WEIGHT_KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "weights",
)  # under which training code saves the weights
State = dict[str, Tensor]


def read_weights(path: Path) -> State:
    """Read the weights by name in a .safetensors or PyTorch file, also if training code nested them under one of WEIGHT_KEYS.

    Raise UsageError for a file that is missing, damaged or holds anything but weights.
    """
    content = _read(path)
    for key in WEIGHT_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not _is_state(content):
        raise UsageError(f"{path} holds no weights by name: write it with torch.save(net.state_dict(), ...)")
    return dict(content)


def _read(path: Path) -> Any:
    """Read whatever a file of weights holds. Raise UsageError for a file that is missing or holds other objects."""
    if not path.is_file():
        raise UsageError(f"there is no file of weights {path}")
    try:
        return load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except SafetensorError as error:
        raise UsageError(f"{path} is not a safetensors file: {error}") from None
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError):
        raise UsageError(
            f"{path} holds objects other than weights, which are not loaded: write it with "
            "torch.save(net.state_dict(), FILE), or as safetensors"
        ) from None


def _is_state(content: Any) -> bool:
    """Tell whether content is a state dict: tensors by their names."""
    if not isinstance(content, Mapping) or not content:
        return False
    return all(
        isinstance(key, str) and isinstance(value, Tensor) and not value.is_meta for key, value in content.items()
    )


def load_weights(net: nn.Module, state: State, source: Path, name: str) -> None:
    """Load weights into a net, which is fp32 afterwards. Raise UsageError if they do not fit it.

    `source` and `name` are the file and the net for that message.
    """
    try:
        net.load_state_dict(strip_prefix(state, net), assign=True)
    except RuntimeError as error:
        raise UsageError(f"{source} does not fit {name}: {_find_first_mismatch(error)}") from None
    net.float()


def strip_prefix(state: State, net: nn.Module) -> State:
    """Return the weights without the prefix that all their names share and the net's lack, such as DataParallel's `module.`."""
    expected = net.state_dict().keys()
    while not state.keys() & expected and len({name.partition(".")[0] for name in state}) == 1 and "." in min(state):
        state = {name.partition(".")[2]: weight for name, weight in state.items()}
    return state


def _find_first_mismatch(error: RuntimeError) -> str:
    """Return the first mismatch that PyTorch lists, which stands on the second line of its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[min(1, len(lines) - 1)] if lines else type(error).__name__
