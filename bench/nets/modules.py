"""Prepares modules of the user's own: takes them out of wrappers, and refuses those that cannot be cut."""

from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.optim.swa_utils import AveragedModel

from ..core.errors import PluginError

COMPILED_MODULE = (
    "_orig_mod"  # where torch.compile keeps the module; its class is in torch._dynamo, which is slow to import
)
ORIGINAL_FUNCTION = "_torchdynamo_orig_callable"  # where torch.compile keeps the function that it was applied to


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside wrappers: parallel ones, averaged weights, and torch.compile."""
    while True:
        if isinstance(module, nn.DataParallel | DistributedDataParallel | AveragedModel):
            module = module.module
        elif isinstance(original := getattr(module, COMPILED_MODULE, None), nn.Module):
            module = original
        else:
            return module


def undo_compilation(module: nn.Module) -> None:
    """Put the original modules and functions back wherever torch.compile was applied inside a module, which is changed."""
    for child in list(module.modules()):
        for name, inner in list(child.named_children()):
            setattr(child, name, unwrap(inner))
    for child in module.modules():
        child._compiled_call_impl = None
        original: Any = getattr(child.forward, ORIGINAL_FUNCTION, None)
        if original is not None:
            child.forward = original if hasattr(original, "__self__") else MethodType(original, child)


def check_module(module: nn.Module, subject: str) -> None:
    """Raise PluginError for a module whose weights cannot be read and changed, or that cannot be cut.

    `subject` begins the message: `my.py:make returns`, or `net is`.
    """
    fixed = (
        "a TorchScript module (torch.jit)" if isinstance(module, torch.jit.ScriptModule)
        else "a module of torch.export" if any(kind.__module__.startswith("torch.export") for kind in type(module).__mro__)
        else ""
    )  # fmt: skip
    if fixed:
        raise PluginError(f"{subject} {fixed}, which cannot be cut: use the module that it was made from")
    for name, weight in [*module.state_dict().items(), *module.named_parameters()]:
        if isinstance(weight, UninitializedParameter | UninitializedBuffer):
            raise PluginError(f"{subject} a lazy module: run it once on an image first, so that {name} has a shape")
        if not isinstance(weight, Tensor) or weight.is_quantized or _is_rounded(weight):
            raise PluginError(f"{subject} a quantised module ({name}): use the module as it was before")
        if weight.is_meta:
            raise PluginError(
                f"{subject} a module whose weights have no values ({name} is on the device meta): create them on the CPU"
            )


def _is_rounded(weight: Tensor) -> bool:
    """Tell whether a tensor is a parameter of whole numbers, which only quantised layers have."""
    return isinstance(weight, nn.Parameter) and not (weight.is_floating_point() or weight.is_complex())
