"""Class scores of a stream of images: the one hot loop, used by Score-CAM and by every metric that perturbs.

A stream makes its images on the device, a chunk at a time, and nothing keeps them: memory is that of one chunk. The chunk
is sized by what one image's forward pass takes, and halved when the device runs out; scores do not depend on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from ..core.errors import Fatal, UsageError
from ..core.profiling import passed, span
from .cost import work
from .precision import DTYPES, compiled, folded, lowered, multiplying

CPU_CHUNK_BYTES = 64 * 2**20  # of activations: beyond this the caches, not the cores, set the pace
CPU_CHUNK_SHARE = 0.5  # of the weights' bytes, where that is more: they are read once a pass, whatever its size
GPU_CHUNK_BYTES = 1.5 * 2**30  # which fills the largest GPU
GPU_CHUNK_SHARE = 0.4  # of the memory that is free, where that is less
CHUNK_MOST = 256
MAKING = 6  # of a perturbed image's bytes, to make it: mask, ranks, blend, and its copy in the net's precision
TOO_LARGE = "one image does not fit into the device's memory: take smaller images or another device"
TOO_TIGHT = "one image takes {} MB, more than --memory allows: allow more, or take smaller images"


@dataclass(frozen=True)
class Stream:
    """Images made when asked for: `make(start, stop)` gives (stop - start, 3, h, w) in [0, 1], on the net's device."""

    count: int
    make: Callable[[int, int], Tensor]


def joined(streams: Sequence[Stream]) -> Stream:
    """Streams of images of one size, one after the other, as one: small ones share batches."""
    if len(streams) == 1:
        return streams[0]
    ends = list(accumulate(stream.count for stream in streams))

    def make(start: int, stop: int) -> Tensor:
        spans = [
            (max(start, end - one.count), min(stop, end), one, end - one.count)
            for one, end in zip(streams, ends, strict=True)
        ]
        return torch.cat([one.make(low - begin, high - begin) for low, high, one, begin in spans if low < high])

    return Stream(ends[-1], make)


class Forward:
    """A net's forward pass over streams, in the precision of perturbed images."""

    def __init__(self, net: nn.Module, precision: str) -> None:
        self.dtype, self._precision = DTYPES[precision], precision
        self.net = folded(net) if self.dtype == torch.float32 else lowered(folded(net), self.dtype)
        self._quick: Callable[[Tensor], Tensor] | None = None  # the same, compiled for whole chunks
        self._limit: float | None = None  # bytes of the device that a pass may take
        self._fitting: dict[torch.Size, int] = {}  # images in one pass, by their shape
        self._chunk = 0  # of the images at hand

    def tune(self, limit: float | None, *, compile: bool) -> None:
        """Bounds the bytes that a pass may take, and compiles the net if asked: its scores then differ by rounding."""
        self._limit = limit
        self._quick = compiled(self.net) if compile else None

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> None:
        """Finds how many images of this shape (n, 3, h, w) go into one pass, which takes a pass of its own the first time."""
        one = images[:1]
        if one.shape not in self._fitting:
            try:
                need = max(1, work(lambda: self._score(one), one.device).peak_bytes)
            except torch.OutOfMemoryError:
                raise Fatal(TOO_LARGE) from None
            most = max(1, int(_budget(self.net, one.device) // need))
            self._fitting[one.shape] = min(CHUNK_MOST, most, self._within_limit(need + MAKING * one.nbytes))
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
                with span("perturbing"):
                    images = stream.make(done, stop)
                with span("forwards"):
                    chunks.append(self._score(images))
                done = stop
            except torch.OutOfMemoryError:
                self._halve(stop - done)
        passed(stream.count)
        logits = torch.cat(chunks)
        if not logits.isfinite().all():
            raise UsageError(_not_finite(self.dtype))
        return logits

    def probabilities(self, stream: Stream) -> Tensor:
        """The softmax scores (count, classes) of a stream, in double precision: 1 - p keeps its digits near p = 1."""
        return self.logits(stream).double().softmax(-1)

    def _score(self, images: Tensor) -> Tensor:
        # Not channels_last yet: on three interleaved channels normalisation alone takes as long as a first convolution,
        # whose kernels are channels_last and bring all that follows into that layout.
        net = self._quick if self._quick and len(images) == self._chunk else self.net
        with multiplying(self._precision):
            logits: Tensor = net(images.to(self.dtype, memory_format=torch.contiguous_format))
        return logits.float()

    def _halve(self, tried: int) -> None:
        if tried == 1:
            raise Fatal(TOO_LARGE)
        torch.cuda.empty_cache()
        self._chunk = tried // 2
        self._fitting = {shape: min(most, self._chunk) for shape, most in self._fitting.items()}

    def _within_limit(self, need: int) -> int:
        """How many images the user's limit admits, each with what it takes to be made."""
        if self._limit is None:
            return CHUNK_MOST
        if need > self._limit:
            raise Fatal(TOO_TIGHT.format(-(-need // 10**6)))
        return int(self._limit // need)


def _budget(net: nn.Module, device: torch.device) -> float:
    if device.type != "cuda":
        weights = sum(weight.nbytes for weight in net.parameters())
        return max(CPU_CHUNK_BYTES, CPU_CHUNK_SHARE * weights)
    return min(GPU_CHUNK_BYTES, GPU_CHUNK_SHARE * torch.cuda.mem_get_info(device)[0])


def _not_finite(dtype: torch.dtype) -> str:
    if dtype == torch.float16:
        return "the net's class scores overflow in fp16, or are not finite at all: take --precision bf16 or fp32"
    return "the net gives class scores that are not finite (NaN or infinite): are its weights sound?"
