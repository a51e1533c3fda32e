"""Class scores of a stream of images: the hot loop of Score-CAM and of every metric that perturbs images.

A stream makes its images on the device, one chunk at a time, so memory is that of one chunk. The memory of one image's forward
pass decides the size of a chunk; when the device runs out of memory, the size is halved. Scores do not depend on it.

Chunks have few sizes: the whole one, a quarter and a sixteenth of it. The last of a stream is filled up to one of them. For a
size that it has not seen, a device plans its work anew, which on a GPU takes longer than the pass itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor, nn

from ..core.choices import Link
from ..core.errors import Fatal, ImageError
from ..core.profiling import count_images, time_span
from .cost import is_counting, measure_work
from .device import is_out_of_memory, measure_memory, use_exact_arithmetic, widen
from .layout import lay_out
from .precision import DTYPES, compile_net, fold_batch_norms, lower_precision
from .probabilities import to_probabilities

CPU_CHUNK_BYTES = 64 * 2**20  # of activations: with more, the caches limit the speed
CPU_CHUNK_SHARE = 0.5  # of the weights' bytes, if that is more: every pass reads the weights once, whatever its size
GPU_CHUNK_BYTES = (
    8 * 2**30
)  # of a pass: the largest GPU is busy with MAX_CHUNK images, which take less on all shipped nets
GPU_CHUNK_SHARE = 0.4  # of the free memory, if that is less
MAX_CHUNK = 256  # images
COPIES_PER_IMAGE = 6  # of its bytes, to make a perturbed image: mask, ranks, blend, and a copy in the net's precision
SMALL_LOGIT = 0.01
TOO_LARGE = "one image does not fit into the device's memory: take smaller images or another device"
ABOVE_LIMIT = "one image takes {} MB, more than --memory allows: allow more, or take smaller images"


@dataclass(frozen=True)
class Stream:
    """Images made on demand: `make(start, stop)` returns (stop - start, 3, h, w) in [0, 1], on the net's device."""

    count: int
    make: Callable[[int, int], Tensor]


def join_streams(streams: Sequence[Stream]) -> Stream:
    """Join several streams into one, in their order, so that small streams share batches. All images have one size."""
    if len(streams) == 1:
        return streams[0]
    ends = list(accumulate(stream.count for stream in streams))

    def make(start: int, stop: int) -> Tensor:
        parts = []
        for stream, end in zip(streams, ends, strict=True):
            begin = end - stream.count
            low, high = max(start, begin), min(stop, end)
            if low < high:
                parts.append(stream.make(low - begin, high - begin))
        return torch.cat(parts)

    return Stream(ends[-1], make)


class Forward:
    """Runs a net on streams of perturbed images, in their precision."""

    def __init__(self, net: nn.Module, precision: str, link: Link = "softmax", *, usual_layout: bool = False) -> None:
        self.dtype, self._precision = DTYPES[precision], precision
        self._link: Link = link  # from logits to probabilities
        folded = fold_batch_norms(net)
        lowered = folded if self.dtype == torch.float32 else lower_precision(folded, self.dtype)
        self.net = lay_out(lowered, self.dtype, is_usual=usual_layout)
        self._compiled_net: Callable[[Tensor], Tensor] | None = None  # the compiled net, for whole chunks
        self._limit: float | None = None  # bytes that a pass may take
        self._images_per_pass: dict[torch.Size, int] = {}  # images a pass, by the shape of one image (1, 3, h, w)
        self._chunk = 0  # images a pass, for the shape prepared last

    @property
    def chunk(self) -> int:
        """The images of a pass, for the shape that was prepared last; 0 before."""
        return self._chunk

    def tune(self, limit: float | None, *, compile: bool) -> None:
        """Limit the bytes that a pass may take. `compile` compiles the net, which changes scores by rounding."""
        self._limit = limit
        self._images_per_pass.clear()
        self._chunk = 0
        self._compiled_net = compile_net(self.net) if compile else None

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> None:
        """Set the batch size for images of this shape (n, 3, h, w); the first call measures one pass.

        Raise Fatal if not even one image fits.
        """
        image = images[:1]
        if image.shape not in self._images_per_pass:
            self._images_per_pass[image.shape] = self._count_images(image)
        self._chunk = self._images_per_pass[image.shape]

    @use_exact_arithmetic()
    @torch.inference_mode()
    def compute_logits(self, stream: Stream) -> Tensor:
        """Return the logits (count, classes) of a stream, fp32. Raise ImageError if one is not finite."""
        if not self._chunk:
            self.prepare(stream.make(0, 1))
        chunks: list[Tensor] = []
        done = 0
        while done < stream.count:
            size = choose_size(stream.count - done, self._chunk)
            stop = min(done + size, stream.count)
            scores = self._try_chunk(stream, done, stop, size)
            if scores is None:
                self._halve(size)
            else:
                chunks.append(scores)
                done = stop
        count_images(stream.count)
        logits = torch.cat(chunks)
        if not logits.isfinite().all():
            raise ImageError(_describe_overflow(self.dtype))
        return logits

    def _try_chunk(self, stream: Stream, start: int, stop: int, size: int) -> Tensor | None:
        """Return the logits of some images of a stream; None if they do not fit into the memory, which is free again then."""
        try:
            with time_span("perturbing"):
                images = stream.make(start, stop)
            with time_span("forwards"):
                return self._score(_fill_up(images, size))[: stop - start]
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                return None
            raise

    @torch.inference_mode()
    def measure_difference(self, image: Tensor, logits: Tensor) -> float:
        """Return how much the logits of an image (1, 3, h, w) differ from others (1, classes); see `compare_logits`."""
        return compare_logits(self._score(image), logits)

    def compute_probabilities(self, stream: Stream) -> Tensor:
        """Return the probabilities (count, classes) of a stream.

        They are float64 where the device has it, which keeps the digits of 1 - p near p = 1.
        """
        return to_probabilities(widen(self.compute_logits(stream)), self._link)

    def _score(self, images: Tensor) -> Tensor:
        # The input is (n, k, h, w): normalising three interleaved channels takes as long as the first convolution, whose
        # weights bring all later activations into their layout.
        net = self._compiled_net if self._compiled_net and len(images) == self._chunk else self.net
        with use_exact_arithmetic(tf32=self._precision == "tf32"):
            logits: Tensor = net(images.to(self.dtype, memory_format=torch.contiguous_format))
        return logits.float()

    def _count_images(self, image: Tensor) -> int:
        """Count the images of this shape (1, 3, h, w) that go into one pass, by the memory of one image's pass."""
        try:
            need = max(1, measure_work(lambda: self._score(image), image.device).peak_bytes)
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise Fatal(TOO_LARGE) from None
            raise
        within_budget = max(1, int(_compute_budget(self.net, image.device) // need))
        return min(MAX_CHUNK, within_budget, self._count_within_limit(need + COPIES_PER_IMAGE * image.nbytes))

    def _halve(self, tried: int) -> None:
        """Halve the chunk of every shape. Raise Fatal if one image is too large."""
        if tried == 1:
            raise Fatal(TOO_LARGE)
        torch.accelerator.empty_cache()
        self._chunk = tried // 2
        self._images_per_pass = {shape: min(count, self._chunk) for shape, count in self._images_per_pass.items()}

    def _count_within_limit(self, need: int) -> int:
        """Count the images that fit into the user's limit, if one takes `need` bytes. Raise Fatal if none does."""
        if self._limit is None:
            return MAX_CHUNK
        if need > self._limit:
            raise Fatal(ABOVE_LIMIT.format(-(-need // 10**6)))
        return int(self._limit // need)


def compare_logits(logits: Tensor, others: Tensor) -> float:
    """Return the largest difference of logits (n, classes) from others (1, classes), as a share of the largest of these.

    Where that is below SMALL_LOGIT, of which rounding is a large share, SMALL_LOGIT takes its place. 0 if they are not finite.
    """
    difference = (logits - others).abs().max() / others.abs().max().clamp(min=SMALL_LOGIT)
    return float(difference.nan_to_num(nan=0.0, posinf=0.0))


def choose_size(remaining: int, chunk: int) -> int:
    """Return the size of the next chunk: the largest of a whole one, a quarter and a sixteenth that is more than 3/4 full."""
    whole, quarter, least = chunk, -(-chunk // 4), -(-chunk // 16)
    return next((size for size in (whole, quarter) if remaining > 0.75 * size), least)


def _fill_up(images: Tensor, size: int) -> Tensor:
    """Append the last image until there are `size` images."""
    missing = size - len(images)
    if missing <= 0 or is_counting():
        return images
    return torch.cat([images, images[-1:].expand(missing, -1, -1, -1)])


def _compute_budget(net: nn.Module, device: torch.device) -> float:
    """Return the bytes that one pass should take at most."""
    if device.type == "cpu":
        weights = sum(weight.nbytes for weight in net.parameters())
        return max(CPU_CHUNK_BYTES, CPU_CHUNK_SHARE * weights)
    return min(GPU_CHUNK_BYTES, GPU_CHUNK_SHARE * measure_memory(device)[0])


def _describe_overflow(dtype: torch.dtype) -> str:
    if dtype == torch.float16:
        return "the net's class scores overflow in fp16, or are not finite at all: take --precision bf16 or fp32"
    return "the net gives class scores that are not finite (NaN or infinite): are its weights sound?"
