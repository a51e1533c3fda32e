"""The device that a run computes on, its arithmetic, and images moved to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import UsageError, read_message
from ..data.types import Image

ALLOCATOR = "DefaultCPUAllocator: can't allocate memory"  # in a RuntimeError: torch has a class for accelerators alone
TESTED = ("cpu", "cuda")  # kinds of devices
WITHOUT_FLOAT64 = ("mps",)  # kinds of devices


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error says that the memory of a device, or that of the machine, is too small."""
    kinds = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return kinds or (isinstance(error, RuntimeError) and ALLOCATOR in read_message(error))


def to_batch(images: Sequence[Image], device: torch.device) -> Tensor:
    """Return images of one size as a batch (n, 3, h, w) in [0, 1], float32, on a device."""
    pixels = move_to_device(torch.from_numpy(np.stack([image.pixels for image in images])), device)
    return pixels.permute(0, 3, 1, 2).contiguous().float() / 255


def move_to_device(values: Tensor, device: torch.device) -> Tensor:
    """Return values of the host on a device. The host does not wait for a CUDA device: pinned memory is copied beside."""
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    return values.contiguous().pin_memory().to(device, non_blocking=True)


def move_to_host(tensors: Sequence[Tensor]) -> list[NDArray[Any]]:
    """Return tensors of one device as arrays, in the widest of their types; all come to the host in one copy."""
    if not tensors:
        return []
    values = torch.cat([tensor.flatten() for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors])[:-1]
    return [part.reshape(tensor.shape) for part, tensor in zip(np.split(values, ends), tensors, strict=True)]


def find_device(name: str) -> torch.device:
    """Return the device of a name: auto, cpu, cuda, cuda:1, or another accelerator of torch's, such as mps or xpu.

    `auto` takes a CUDA device or the CPU; others are not tested and have to be named. Raise UsageError if this machine does not
    have the device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"there is no device {name!r}: write auto, cpu, cuda or cuda:1") from None
    here = _list_devices()
    if (device.type if device.index is None else str(device)) not in here:
        raise UsageError(f"there is no device {name!r} here: this machine has {', '.join(here)}")
    return device


def _list_devices() -> list[str]:
    """List the names of this machine's devices: cpu, the kind of accelerator, and each accelerator with its index."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return ["cpu"]
    count = torch.accelerator.device_count()
    return ["cpu", accelerator.type, *(f"{accelerator.type}:{index}" for index in range(count))]


def is_tested(device: torch.device) -> bool:
    """Tell whether this project has been run on devices of this kind."""
    return device.type in TESTED


def describe_device(device: torch.device) -> str:
    """Return the name of an accelerator's model, or its kind if torch does not tell the model."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def synchronise(device: torch.device) -> None:
    """Wait until a device has finished its work."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def measure_memory(device: torch.device) -> tuple[int, int]:
    """Return the free and the total memory of an accelerator, in bytes."""
    if device.type == "mps":  # shares the machine's memory
        total = torch.mps.recommended_max_memory()
        return total - torch.mps.driver_allocated_memory(), total
    return torch.accelerator.get_memory_info(device)


def find_widest_dtype(device: torch.device) -> torch.dtype:
    """Return the widest floating-point type of a device: float64, or float32 where there is none."""
    return torch.float32 if device.type in WITHOUT_FLOAT64 else torch.float64


def widen(values: Tensor) -> Tensor:
    """Return values in the widest floating-point type of their device."""
    return values.to(find_widest_dtype(values.device))


@contextmanager
def use_exact_arithmetic(*, tf32: bool = False) -> Iterator[None]:
    """Use deterministic cuDNN kernels, and fp32 products in fp32 unless `tf32`. Restore torch's flags at the end."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    flags = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = tf32, tf32, True, False
    try:
        yield
    finally:
        cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark = flags
