"""Profiling spans, and prefetched images."""

import threading
import time

import numpy as np
import pytest
import torch

from cambench.bench.core.errors import ImageError
from cambench.bench.core.profiling import count_images, record_spans, time_span
from cambench.bench.data.prefetch import AHEAD, THREADS, prefetch
from cambench.bench.data.types import Image

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_the_seconds_of_a_span_exclude_its_inner_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))  # a second between any two turns
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    with record_spans() as spans:  # turns at 0
        with time_span("explaining"):  # 1
            with time_span("forwards"):  # 2
                count_images(7)
            with time_span("forwards"):  # 3, 4
                pass
        with time_span("writing"):  # 5, 6, 7
            pass
    assert spans.seconds == {"other": 3.0, "explaining": 3.0, "forwards": 2.0, "writing": 1.0}
    assert sum(spans.seconds.values()) == 9.0, "every second is counted once"
    assert spans.images == 7


def test_a_span_that_raises_is_closed() -> None:
    with record_spans() as spans:
        with pytest.raises(KeyError), time_span("forwards"):
            raise KeyError
        with time_span("writing"):
            pass
    assert set(spans.seconds) == {"other", "forwards", "writing"}


def test_spans_are_recorded_inside_the_block_only() -> None:
    with record_spans() as spans:
        pass
    with time_span("forwards"):
        count_images(3)
    assert set(spans.seconds) == {"other"} and spans.images == 0


class _Images:
    """Images that record when they are read; the one with index 3 cannot be read."""

    classes = ("a",)

    def __init__(self, count: int) -> None:
        self.count, self.read = count, list[int]()
        self.threads = set[str]()

    def name(self, index: int) -> str:
        return str(index)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Image:
        self.read.append(index)
        self.threads.add(threading.current_thread().name)
        if index == 3:
            raise ImageError("3 is no image")
        return Image(self.name(index), np.zeros((2, 2, 3), np.uint8), 0)


@pytest.mark.parametrize(("device", "thread_safe"), [(CPU, False), (GPU, False), (GPU, True)])
def test_prefetched_images_and_errors_keep_their_order(device: torch.device, thread_safe: bool) -> None:
    images, names = _Images(30), list[str]()
    for load in prefetch(images, range(1, 20), device, thread_safe=thread_safe):
        try:
            names.append(load().name)
        except ImageError as error:
            names.append(str(error))
    assert names == ["1", "2", "3 is no image", *map(str, range(4, 20))]
    assert sorted(images.read) == list(range(1, 20)) and (thread_safe or images.read == list(range(1, 20)))


def test_a_data_set_that_allows_it_is_read_by_several_threads_at_once() -> None:
    class Slow(_Images):
        def __getitem__(self, index: int) -> Image:
            barrier.wait(timeout=10)  # passes once as many threads read at the same time
            return super().__getitem__(index)

    barrier, images = threading.Barrier(THREADS), Slow(4 * THREADS)
    names = [load().name for load in prefetch(images, range(5, 5 + THREADS), GPU, thread_safe=True)]
    assert names == [str(index) for index in range(5, 5 + THREADS)] and len(images.threads) == THREADS


def test_images_are_read_ahead_by_one_thread_on_a_gpu_only() -> None:
    on_gpu, on_cpu = _Images(200), _Images(200)
    first = prefetch(on_gpu, range(50, 200), GPU)
    next(first)().name  # noqa: B018
    for _ in range(200):
        if len(on_gpu.read) >= AHEAD:
            break
        time.sleep(0.01)
    assert AHEAD <= len(on_gpu.read) <= AHEAD + 1
    assert all(name.startswith("reader") for name in on_gpu.threads) and len(on_gpu.threads) == 1
    next(prefetch(on_cpu, range(50, 200), CPU))()
    assert on_cpu.read == [50]
    assert on_cpu.threads == {threading.current_thread().name}
