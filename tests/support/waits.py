"""Counts, on a CPU, what would make a GPU wait or cost it a transfer: tensors that move between the device and the host.

Tensors that a run moves to its device, and all that is computed from them, count as the device's. Every value that leaves it is
counted: `.cpu()`, `.item()`, `.tolist()`, `.numpy()`, `bool()`, and an index that depends on values. So is every upload.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import tree_leaves

DOWNLOADS = {
    "cpu", "item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__", "nonzero",
    "masked_select", "unique", "argwhere",
}  # fmt: skip
FACTORIES = {"tensor", "as_tensor", "new_tensor"}


class CountWaits(TorchFunctionMode):
    """Counts downloads and uploads by the name of the function, while it is active."""

    def __init__(self) -> None:
        super().__init__()
        self.downloads: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        from_device = any(getattr(tensor, "on_device", False) for tensor in inputs)
        if from_device and (name in DOWNLOADS or (name == "__getitem__" and _has_mask(args[1]))):
            self.downloads[name] += 1
        result = func(*args, **kwargs)
        if name == "to" and _has_device(args[1:], kwargs) and not getattr(args[0], "on_device", False):
            self.uploads[name] += 1
            return mark(result.clone() if result is args[0] else result)
        if name in FACTORIES and ("device" in kwargs or name == "new_tensor"):
            self.uploads[name] += 1
            return mark(result)
        if name in DOWNLOADS:
            return result.clone() if name == "cpu" else result
        if from_device or kwargs.get("device") is not None:
            for leaf in tree_leaves(result):
                if isinstance(leaf, Tensor):
                    mark(leaf)
        return result


def _has_mask(index: Any) -> bool:
    """Tell whether an index is a boolean tensor: the shape of the result then depends on its values."""
    return any(isinstance(leaf, Tensor) and leaf.dtype == torch.bool for leaf in tree_leaves(index))


def _has_device(args: Any, kwargs: dict[str, Any]) -> bool:
    """Tell whether arguments of `Tensor.to` name a device, or a tensor whose device is meant."""
    return "device" in kwargs or any(isinstance(value, torch.device | str | Tensor) for value in args)


def mark(tensor: Tensor) -> Tensor:
    """Count a tensor as the device's."""
    tensor.on_device = True  # type: ignore[attr-defined]
    return tensor
