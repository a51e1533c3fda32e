"""The order in which weights, and with them activations, lie in memory."""

import torch
from torch import nn


def choose_layout(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """Return the faster layout for a net's weights on a device, as measured on an NVIDIA H200 and on CPUs.

    In fp32 a CUDA device is up to twice as fast with (n, k, h, w); in bf16 and fp16, and on a CPU, (n, h, w, k) is faster. The
    choice is a rule and not a measurement of each run, because the layout changes scores by the precision's rounding.
    """
    is_exact_on_gpu = device.type == "cuda" and dtype == torch.float32
    return torch.contiguous_format if is_exact_on_gpu else torch.channels_last


def lay_out(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Lay out a net's weights of four dimensions in the layout for their device and this dtype; others have no such layout.

    Beside instance norms they stay (n, k, h, w): else torch computes wrong gradients of instance norms for a single image.
    """
    is_safe = not any(isinstance(part, nn.InstanceNorm2d) for part in net.modules())
    for weight in (*net.parameters(), *net.buffers()):
        if weight.dim() == 4:
            layout = choose_layout(weight.device, dtype) if is_safe else torch.contiguous_format
            weight.data = weight.data.contiguous(memory_format=layout)
    return net
