"""The device that a run computes on, its arithmetic, and images moved to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from ..core.errors import UsageError
from ..data.types import Image


def to_batch(images: Sequence[Image], device: torch.device) -> Tensor:
    """Return images of one size as a batch (n, 3, h, w) in [0, 1], float32, on a device."""
    pixels = torch.from_numpy(np.stack([image.pixels for image in images]))
    if device.type == "cuda":
        pixels = pixels.pin_memory()
    pixels = pixels.to(device, non_blocking=True)
    return pixels.permute(0, 3, 1, 2).contiguous().float() / 255


def find_device(name: str) -> torch.device:
    """Return the device of a name: auto, cpu, cuda or cuda:1. Raise UsageError if this machine does not have it."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"there is no device {name!r}: write auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device {name!r} here: the CUDA devices of this machine number {torch.cuda.device_count()}"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} is not supported: write auto, cpu or cuda")
    return device


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
