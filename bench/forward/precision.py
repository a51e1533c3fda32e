"""The precisions of perturbed images' forward passes: which there are, what they need, and how a net is brought to one.

fp32  exact: the precision in which every map is made
tf32  fp32 whose products a GPU multiplies with 10 bits of mantissa
bf16  8 bits of mantissa, the range of fp32
fp16  11 bits of mantissa, up to 65504
auto  bf16 where the device has units for it, fp32 elsewhere
"""

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse
from torch.fx.proxy import TraceError

from ..core.errors import UsageError, nearest

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def chosen(asked: str, device: torch.device) -> str:
    """The precision for a device. Raises UsageError for one that it has no units for."""
    if asked not in (*DTYPES, "auto"):
        raise UsageError(f"there is no precision {asked!r}: {nearest(asked, [*DTYPES, 'auto'])}")
    if asked == "auto":
        return "bf16" if _has_bf16(device) else "fp32"
    if asked == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)):
        raise UsageError("tf32 needs a GPU of NVIDIA's Ampere generation or later: take fp32, or auto")
    if asked == "fp16" and device.type != "cuda" and not torch.cpu.get_capabilities().get("amx_fp16"):
        raise UsageError("fp16 needs a GPU, or a processor with AMX units for it: take bf16 or fp32, or auto")
    return asked


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


@contextmanager
def multiplying(precision: str) -> Iterator[None]:
    """Products in tf32 inside, where that is the precision; it is off everywhere else."""
    if precision != "tf32":
        yield
        return
    backends: tuple[Any, ...] = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = True
        yield
    finally:
        for backend, was in zip(backends, before, strict=True):
            backend.allow_tf32 = was


def lowered(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a net in a lower precision; its last layer stays fp32, for a bf16 logit would be off by up to 0.06."""
    copied = copy.deepcopy(net).to(dtype)
    last = [module for module in copied.modules() if list(module.parameters(recurse=False))][-1]
    last.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    return copied


def check_compiler(device: torch.device) -> None:
    """Raises UsageError where a net cannot be compiled."""
    if device.type != "cuda" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
        raise UsageError("--compile needs a C++ compiler (g++ or clang++) on a CPU: install one, or go without")


def compiled(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The same forward pass in fused kernels; on a GPU as one CUDA graph a chunk, so that no kernel waits for the next."""
    cuda = next(net.parameters()).device.type == "cuda"
    quick: Callable[[Tensor], Tensor] = torch.compile(net, dynamic=False, mode="reduce-overhead" if cuda else None)
    return (lambda images: quick(images).clone()) if cuda else quick  # a graph's output is overwritten by its next run


def folded(net: nn.Module) -> nn.Module:
    """A copy of a net in eval mode with its batch norms folded; the net itself where there is none, or no fixed graph.

    Scores agree but for rounding, about 1e-6 in fp32.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in net.modules()) or _hooked(net):
        return net
    try:
        fx.symbolic_trace(net)
    except (TraceError, TypeError, RuntimeError):  # what the net does depends on its input's values
        return net
    return fuse(net)


def _hooked(net: nn.Module) -> bool:
    """Whether a module does more than its `forward` says: a graph would not know."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
