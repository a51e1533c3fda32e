"""The precisions of perturbed images' forward passes, what they require, and the conversion of a net.

fp32  exact: the precision in which every map is made
tf32  fp32, but a GPU rounds the factors of each product to 11 bits: NVIDIA's TensorFloat-32
bf16  8 bits of mantissa, the range of fp32
fp16  11 bits of mantissa, up to 65504
auto  fp16 on CUDA, or bf16 for a net that overflows in fp16 or is far off; bf16 on processors with units for it; else fp32
"""

import copy
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, fx, nn
from torch.fx.proxy import TraceError
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..core.errors import UsageError, list_known_names

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

FP16_UNITS = ("amx_fp16", "avx512_fp16")  # of a processor: without them, torch takes seconds for a pass


def choose_precision(name: str, device: torch.device) -> str:
    """Return the precision of a name on a device; `auto` is resolved. Raise UsageError if the device does not support it."""
    if name not in (*DTYPES, "auto"):
        raise UsageError(f"there is no precision {name!r}: {list_known_names(name, [*DTYPES, 'auto'])}")
    if name == "auto":
        return _choose_fastest(device)
    if name == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)):
        raise UsageError("tf32 needs a GPU of NVIDIA's Ampere generation or later: take fp32, or auto")
    if name == "fp16" and device.type == "cpu" and not any(map(torch.cpu.get_capabilities().get, FP16_UNITS)):
        raise UsageError(
            "fp16 needs a GPU, or a processor with units for it (AMX, AVX-512): take bf16 or fp32, or auto"
        )
    return name


def _choose_fastest(device: torch.device) -> str:
    """Return the precision of `auto`: a lower one only where the device computes in it, and where that has been measured."""
    if device.type == "cuda":
        return "fp16" if torch.cuda.get_device_capability(device) >= (7, 0) else "fp32"
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"


def lower_precision(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a net in a lower precision. Its last layer stays fp32: logits in bf16 would be off by up to 0.06."""
    copied = copy.deepcopy(net).to(dtype)
    last_layer = [module for module in copied.modules() if list(module.parameters(recurse=False))][-1]
    last_layer.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    return copied


def check_compiler(device: torch.device) -> None:
    """Raise UsageError if torch cannot compile a net for lack of a C++ compiler."""
    if device.type != "cuda" and not any(map(shutil.which, ("g++", "clang++", "c++"))):
        raise UsageError("--compile needs a C++ compiler (g++ or clang++) on a CPU: install one, or omit --compile")


def compile_net(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """Return the compiled forward pass: fused kernels, and on a GPU one CUDA graph a chunk, which removes launch overhead."""
    cuda = next(net.parameters()).device.type == "cuda"
    compiled: Callable[[Tensor], Tensor] = torch.compile(net, dynamic=False, mode="reduce-overhead" if cuda else None)
    return (
        (lambda images: compiled(images).clone()) if cuda else compiled
    )  # the next run of a graph overwrites its output


def fold_batch_norms(net: nn.Module) -> nn.Module:
    """Return a copy of a net in eval mode with batch norms folded into convolutions; scores change by about 1e-6 in fp32.

    A convolution is left as it is if it is called more than once, or if its weights or its output are used elsewhere. Return
    the net itself if it has no batch norms, or cannot be traced.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in net.modules()) or _has_hooks(net):
        return net
    try:
        traced = fx.symbolic_trace(copy.deepcopy(net))
    except (TraceError, TypeError, RuntimeError):  # its control flow depends on the values of its input
        return net
    modules = dict(traced.named_modules())
    for convolution, norm in list(_list_foldable(traced.graph, modules)):
        fused = fuse_conv_bn_eval(modules[str(convolution.target)], modules[str(norm.target)])
        traced.add_submodule(str(convolution.target), fused)
        norm.replace_all_uses_with(convolution)
        traced.graph.erase_node(norm)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


def _list_foldable(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> Iterator[tuple[fx.Node, fx.Node]]:
    """Yield each convolution with the batch norm after it, if folding the two changes nothing else."""
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    read = [str(node.target) for node in graph.nodes if node.op == "get_attr"]  # weights that functions use
    for norm in graph.nodes:
        before = norm.args[0] if norm.op == "call_module" and norm.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        convolution, statistics = modules[str(before.target)], modules[norm.target]
        is_pair = type(convolution) is nn.Conv2d and type(statistics) is nn.BatchNorm2d
        is_alone = calls[before.target] == 1 and len(before.users) == 1
        is_read = any(name.startswith(f"{before.target}.") for name in read)
        if is_pair and is_alone and not is_read:
            yield before, norm


def _has_hooks(net: nn.Module) -> bool:
    """Tell whether any module has hooks, which a traced graph would lose."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
