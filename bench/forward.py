"""Class scores of a stream of images: the one hot loop, used by Score-CAM and by every metric that perturbs.

A stream makes its images on the device, a chunk at a time, and nothing keeps them: memory is that of one chunk. The chunk
is sized by what one image's forward pass takes, and halved when the device runs out; scores do not depend on it.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .cost import work
from .errors import UsageError
from .folding import folded

CPU_CHUNK_BYTES = 64 * 2**20  # of activations: beyond this the caches, not the cores, set the pace
CPU_CHUNK_SHARE = 0.5  # of the weights' bytes, where that is more: they are read once a pass, whatever its size
GPU_CHUNK_SHARE = 0.4  # of the memory that is free
CHUNK_MOST = 256
TOO_LARGE = "one image does not fit into the device's memory: take smaller images or another device"
SCORE = "softmax"  # what metrics are given of the class scores


@dataclass(frozen=True)
class Stream:
    """Images made when asked for: `make(start, stop)` gives (stop - start, 3, h, w) in [0, 1], on the net's device."""

    count: int
    make: Callable[[int, int], Tensor]


class Forward:
    """A net's forward pass over streams, in the precision of perturbed images: bf16 throughout but for the logits, or fp32."""

    def __init__(self, net: nn.Module, precision: str) -> None:
        self.dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
        self.net = folded(net) if precision == "fp32" else _lowered(folded(net), self.dtype)
        self._fitting: dict[torch.Size, int] = {}  # images in one pass, by their shape
        self._chunk = 0  # of the images at hand

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> None:
        """Finds how many images of this shape (n, 3, h, w) go into one pass, which takes a pass of its own the first time."""
        one = images[:1]
        if one.shape not in self._fitting:
            try:
                need = max(1, work(lambda: self._score(one), one.device).peak_bytes)
            except torch.OutOfMemoryError:
                raise UsageError(TOO_LARGE) from None
            self._fitting[one.shape] = min(CHUNK_MOST, max(1, int(_budget(self.net, one.device) // need)))
        self._chunk = self._fitting[one.shape]

    @torch.inference_mode()
    def logits(self, stream: Stream) -> Tensor:
        """The logits (count, classes) of a stream, fp32. Raises UsageError where they are not finite."""
        if not self._chunk:
            self.prepare(stream.make(0, 1))
        chunks: list[Tensor] = []
        done = 0
        while done < stream.count:
            stop = min(done + self._chunk, stream.count)
            try:
                chunks.append(self._score(stream.make(done, stop)))
                done = stop
            except torch.OutOfMemoryError:
                self._halve(stop - done)
        logits = torch.cat(chunks)
        if not logits.isfinite().all():
            raise UsageError("the net gives class scores that are not finite (NaN or infinite): are its weights sound?")
        return logits

    def probabilities(self, stream: Stream) -> Tensor:
        """The softmax scores (count, classes) of a stream, in double precision: 1 - p keeps its digits near p = 1."""
        return self.logits(stream).double().softmax(-1)

    def _score(self, images: Tensor) -> Tensor:
        # Not channels_last yet: on three interleaved channels normalisation alone takes as long as a first convolution,
        # whose kernels are channels_last and bring all that follows into that layout.
        logits: Tensor = self.net(images.to(self.dtype, memory_format=torch.contiguous_format))
        return logits.float()

    def _halve(self, tried: int) -> None:
        if tried == 1:
            raise UsageError(TOO_LARGE)
        torch.cuda.empty_cache()
        self._chunk = tried // 2
        self._fitting = {shape: min(most, self._chunk) for shape, most in self._fitting.items()}


def _lowered(net: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A copy of a net in a lower precision; its last layer stays fp32, for a bf16 logit would be off by up to 0.06."""
    lowered = copy.deepcopy(net).to(dtype)
    last = [module for module in lowered.modules() if list(module.parameters(recurse=False))][-1]
    last.float().register_forward_pre_hook(lambda _, inputs: (inputs[0].float(),))
    return lowered


def _budget(net: nn.Module, device: torch.device) -> float:
    if device.type != "cuda":
        weights = sum(weight.nbytes for weight in net.parameters())
        return max(CPU_CHUNK_BYTES, CPU_CHUNK_SHARE * weights)
    return GPU_CHUNK_SHARE * torch.cuda.mem_get_info(device)[0]
