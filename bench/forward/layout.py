"""The order in which weights, and with them activations, lie in memory."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

STATISTICS = slice(
    3, 6
)  # of the arguments of torch's batch norms: whether they are normalised by their own input is there


def choose_layout(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """Return the faster layout for a net's weights on a device, as measured on an NVIDIA H200 and on CPUs.

    In fp32 a CUDA device is up to twice as fast with (n, k, h, w); in bf16 and fp16, and on a CPU, (n, h, w, k) is faster. The
    choice is a rule and not a measurement of each run, because the layout changes scores by the precision's rounding.
    """
    is_exact_on_gpu = device.type == "cuda" and dtype == torch.float32
    return torch.contiguous_format if is_exact_on_gpu else torch.channels_last


def lay_out(net: nn.Module, dtype: torch.dtype, *, is_usual: bool = False) -> nn.Module:
    """Lay out a net's weights of four dimensions in the layout for their device and this dtype; others have no such layout.

    They stay (n, k, h, w) if the layout should be the `is_usual` one; see `needs_usual_layout`.
    """
    for weight in (*net.parameters(), *net.buffers()):
        if weight.dim() == 4:
            layout = torch.contiguous_format if is_usual else choose_layout(weight.device, dtype)
            weight.data = weight.data.contiguous(memory_format=layout)
    return net


class _NormRecorder(TorchDispatchMode):
    """Records whether anything inside the block is normalised by its own mean and variance over images or places."""

    found = False

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        if "batch_norm" in operation.__name__ or "instance_norm" in operation.__name__:
            self.found |= any(argument is True for argument in arguments[STATISTICS])
        return operation(*arguments, **keywords or {})


@torch.no_grad()
def needs_usual_layout(net: nn.Module, inputs: Tensor) -> bool:
    """Tell whether a net has instance norms, or batch norms that take the averages of their input.

    torch computes wrong gradients of these for a single image if the weights of the convolution after them are (n, h, w, k).
    """
    with _NormRecorder() as recorder:
        net(inputs.clone())
    return recorder.found
