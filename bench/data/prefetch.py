"""Images read or made before their turn, while the device is at work on those before."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice

import torch

from ..core.profiling import span
from .types import Image, Images

AHEAD = 8  # images, at most: a data set never stands in memory

Load = Callable[[], Image]


def loaded(images: Images, indices: Sequence[int], device: torch.device) -> Iterator[Load]:
    """For each of these numbers in turn what gives its image, or raises what reading it raised.

    Beside a GPU one thread reads ahead (one, so that a data set need not stand two at once). Beside a CPU there is nothing
    to gain: its cores are busy, and whoever reads would be in the seconds of the methods.
    """
    found = _ahead(images, indices) if device.type == "cuda" else (partial(images.__getitem__, n) for n in indices)
    return map(_told, found)


def _told(load: Load) -> Load:
    def call() -> Image:
        with span("loading"):
            return load()

    return call


def _ahead(images: Images, indices: Sequence[int]) -> Iterator[Load]:
    left = iter(indices)
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as reader:
        waiting: deque[Future[Image]] = deque(reader.submit(images.__getitem__, n) for n in islice(left, AHEAD))
        try:
            while waiting:
                yield waiting.popleft().result
                waiting.extend(reader.submit(images.__getitem__, n) for n in islice(left, 1))
        finally:
            for future in waiting:
                future.cancel()
