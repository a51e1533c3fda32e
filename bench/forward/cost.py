"""Measures the cost of a call: seconds, peak memory, and work.

Seconds depend on the machine and on its load: they are reported, not judged. Work (floating-point operations, backward
passes included) and peak tensor bytes repeat exactly, so comparisons can judge them.
"""

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from .device import find_device, synchronise

Result = TypeVar("Result")

SHORT = 0.1  # seconds

_counters: list["_Counter"] = []  # those at work


@dataclass(frozen=True)
class Work:
    """The work and the peak memory of a call."""

    flops: int  # floating-point operations
    peak_bytes: int  # of tensors, above what was allocated before the call


def time_call(call: Callable[[], Result], device: torch.device) -> tuple[Result, float]:
    """Return the result of a call and its seconds; the device is synchronised before and after."""
    synchronise(device)
    start = time.perf_counter()
    result = call()
    synchronise(device)
    return result, time.perf_counter() - start


def time_warm_call(prepare: Callable[[], Callable[[], Result]], device: torch.device) -> tuple[Result, float]:
    """Return the result of a call and its seconds once caches are warm: a short call is made twice, and the second one counts.

    Other work, such as the scoring of maps, empties the processor's caches. A first call then takes milliseconds longer. A call
    of SHORT seconds or more is made once: to it, these are nothing. `prepare` returns the call, and is not timed: the call may
    overwrite what it is given, so each is prepared anew.
    """
    result, seconds = time_call(prepare(), device)
    return time_call(prepare(), device) if seconds < SHORT else (result, seconds)


def measure_work(call: Callable[[], object], device: torch.device) -> Work:
    """Measure the work of a call. The peak is that of the CUDA allocator, or elsewhere that of the tensors that the call makes.

    On a GPU the peaks that `torch.cuda.memory_stats` reports start again: the allocator keeps a single peak, which cannot be
    set back to its earlier value.
    """
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device) if cuda else 0
    with _Counter() as counter:
        _counters.append(counter)
        try:
            call()
        finally:
            _counters.pop()
    return Work(counter.flops, torch.cuda.max_memory_allocated(device) - before if cuda else counter.peak)


def is_counting() -> bool:
    """Tell whether work is being counted: images that only fill up a batch must not be."""
    return bool(_counters)


def make_synchronise(device: str) -> Callable[[], None]:
    """Make a function that waits until the device of this name has finished its work."""
    return partial(synchronise, find_device(device))


class _Counter(TorchDispatchMode):
    """Adds up the flops of every operation below autograd, and tracks new storages until they are freed.

    torch's FlopCounterMode also tracks modules, and therefore fails on a backward pass that starts inside the net (Grad-CAM).
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.live = self.peak = 0
        self._tracked: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket not in flop_registry and func is not torch.ops.prim.device.default:
            with self:  # in inference mode linear and conv2d arrive as one composite operation
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        input_ids = {_identify_storage(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
        result = func(*args, **kwargs)
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **kwargs, out_val=result)
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and _identify_storage(leaf) not in input_ids:
                self._track(leaf.untyped_storage())
        return result

    def _track(self, storage: torch.UntypedStorage) -> None:
        """Add the bytes of a storage while it lives."""
        key, size = storage._cdata, storage.nbytes()
        if key in self._tracked:
            return
        self._tracked.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._tracked.discard(key)
        self.live -= size


def _identify_storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata
