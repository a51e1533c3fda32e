"""Reads images ahead, while the device computes."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice

import torch

from ..core.profiling import time_span
from .types import Image, Images

AHEAD = 8  # images in memory at most

LoadImage = Callable[[], Image]


def prefetch(images: Images, indices: Sequence[int], device: torch.device) -> Iterator[LoadImage]:
    """Yield a function for each index in turn that returns the image, or raises the error of reading it.

    For a GPU one thread reads ahead; one only, because a data set need not be thread-safe. For a CPU nothing is read ahead:
    its cores are busy, and reading would add to the measured seconds of the methods.
    """
    loads = _read_ahead(images, indices) if device.type == "cuda" else (partial(images.__getitem__, n) for n in indices)
    return map(_profile_loading, loads)


def _profile_loading(load: LoadImage) -> LoadImage:
    def call() -> Image:
        with time_span("loading"):
            return load()

    return call


def _read_ahead(images: Images, indices: Sequence[int]) -> Iterator[LoadImage]:
    remaining = iter(indices)
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        waiting: deque[Future[Image]] = deque(reader.submit(images.__getitem__, n) for n in islice(remaining, AHEAD))
        try:
            while waiting:
                yield waiting.popleft().result
                waiting.extend(reader.submit(images.__getitem__, n) for n in islice(remaining, 1))
        finally:
            for future in waiting:
                future.cancel()
