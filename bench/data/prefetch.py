"""Reads images ahead, while the device computes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice

import torch

from ..core.profiling import time_span
from .types import Image, Images

AHEAD = 64  # images in memory at most
THREADS = 4  # that read images of a data set which allows it

LoadImage = Callable[[], Image]


def prefetch(
    images: Images, indices: Sequence[int], device: torch.device, *, thread_safe: bool = False
) -> Iterator[LoadImage]:
    """Yield a function for each index in turn that returns the image, or raises the error of reading it.

    For a GPU images are read ahead, by several threads if the data set is `thread_safe`, else by one. For a CPU nothing is
    read ahead: its cores are busy, and reading would add to the measured seconds of the methods.
    """
    if device.type == "cpu":
        return map(_profile_loading, (partial(images.__getitem__, n) for n in indices))
    return map(_profile_loading, _read_ahead(images, indices, THREADS if thread_safe else 1))


def _profile_loading(load: LoadImage) -> LoadImage:
    def call() -> Image:
        with time_span("loading"):
            return load()

    return call


def _read_ahead(images: Images, indices: Sequence[int], threads: int) -> Iterator[LoadImage]:
    remaining = iter(indices)
    with ThreadPoolExecutor(threads, thread_name_prefix="reader") as reader:
        waiting: deque[Future[Image]] = deque(reader.submit(images.__getitem__, n) for n in islice(remaining, AHEAD))
        try:
            while waiting:
                yield waiting.popleft().result
                waiting.extend(reader.submit(images.__getitem__, n) for n in islice(remaining, 1))
        finally:
            for future in waiting:
                future.cancel()
