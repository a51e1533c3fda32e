"""What an explanation costs: seconds, peak memory, and work.

Seconds depend on the machine and on what else it does, so they are reported. Work (floating-point operations, backward
passes included) and peak tensor bytes are the same every time, so they can be judged.
"""

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Result = TypeVar("Result")


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and the peak of live tensor bytes that a call added to what was there before."""

    flops: int
    peak_bytes: int


def timed(call: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """What a call gives, and the seconds that it took, the device synchronised before and after."""
    _synchronise(device)
    start = time.perf_counter()
    result = call()
    _synchronise(device)
    return result, time.perf_counter() - start


def work(call: Callable[[], object], device: torch.device) -> Work:
    """The work of a call. On CUDA the peak is the allocator's, elsewhere that of the tensors which the call makes."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if cuda else 0
    with _Counter() as counter:
        call()
    return Work(counter.flops, torch.cuda.max_memory_allocated(device) - before if cuda else counter.peak)


def waiting(device: str) -> Callable[[], None]:
    """What waits for a device of this name to end its work."""
    if device == "cpu" or not torch.cuda.is_available():
        return lambda: None
    return lambda: torch.cuda.synchronize(None if device == "auto" else device)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class _Counter(TorchDispatchMode):
    """Sees every operation below autograd: adds its flops up, and follows the storages that it makes until they die.

    (torch's FlopCounterMode follows modules as well, and raises on a backward pass that starts half-way, as Grad-CAM's.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry and func is not torch.ops.prim.device.default:
            with self:  # inference mode hands over linear and conv2d undivided
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        given = {_storage_id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and _storage_id(leaf) not in given:
                self._follow(leaf.untyped_storage())
        return result

    def _follow(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _storage_id(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata
