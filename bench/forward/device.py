"""The device that a run computes on, and images brought to it."""

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..data.types import Image


def batched(image: Image, device: torch.device) -> Tensor:
    """An image as a net takes it: (1, 3, h, w) in [0, 1]."""
    pixels = torch.tensor(image.pixels)
    if device.type == "cuda":
        pixels = pixels.pin_memory().to(device, non_blocking=True)
    return pixels.permute(2, 0, 1)[None].contiguous().float() / 255


def device_of(name: str) -> torch.device:
    """The device of a name: auto, cpu, cuda, cuda:1. Raises UsageError for one that is not here."""
    if name == "auto":
        return _exact(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"there is no device {name!r}: write auto, cpu, cuda or cuda:1") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device {name!r} here: this machine has {torch.cuda.device_count() or 'no'} CUDA device"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r} is not supported: write auto, cpu or cuda")
    return _exact(device)


def _exact(device: torch.device) -> torch.device:
    """fp32 is fp32 on a GPU too, not TF32, and the same every time."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return device
