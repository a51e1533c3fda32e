"""Where a run's time goes, and images read before their turn."""

import threading
import time

import numpy as np
import pytest
import torch

from cambench.bench.core.errors import UsageError
from cambench.bench.core.profiling import passed, profiled, span
from cambench.bench.data.prefetch import AHEAD, loaded
from cambench.bench.data.types import Image

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_a_span_is_told_without_those_inside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))  # a second between any two turns
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    with profiled() as spans:  # turns at 0
        with span("explaining"):  # 1
            with span("forwards"):  # 2
                passed(7)
            with span("forwards"):  # 3, 4
                pass
        with span("writing"):  # 5, 6, 7
            pass
    assert spans.seconds == {"other": 3.0, "explaining": 3.0, "forwards": 2.0, "writing": 1.0}
    assert sum(spans.seconds.values()) == 9.0, "every second is told once"
    assert spans.images == 7


def test_a_span_that_raises_is_closed() -> None:
    with profiled() as spans:
        with pytest.raises(KeyError), span("forwards"):
            raise KeyError
        with span("writing"):
            pass
    assert set(spans.seconds) == {"other", "forwards", "writing"}


def test_nothing_is_told_unless_asked_for() -> None:
    with profiled() as spans:
        pass
    with span("forwards"):
        passed(3)
    assert set(spans.seconds) == {"other"} and spans.images == 0


class _Images:
    """Images that say when they are read; the fourth cannot be."""

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
            raise UsageError("3 is no image")
        return Image(self.name(index), np.zeros((2, 2, 3), np.uint8), 0)


@pytest.mark.parametrize("device", [CPU, GPU])
def test_images_come_in_their_order_and_one_that_cannot_be_read_is_said_in_its_turn(device: torch.device) -> None:
    images, names = _Images(30), list[str]()
    for load in loaded(images, range(1, 20), device):
        try:
            names.append(load().name)
        except UsageError as error:
            names.append(str(error))
    assert names == ["1", "2", "3 is no image", *map(str, range(4, 20))]
    assert images.read == list(range(1, 20))


def test_beside_a_gpu_one_thread_reads_a_few_ahead_and_beside_a_cpu_none_does() -> None:
    beside, alone = _Images(100), _Images(100)
    first = loaded(beside, range(50, 100), GPU)
    next(first)().name  # noqa: B018
    for _ in range(200):
        if len(beside.read) >= AHEAD:
            break
        time.sleep(0.01)
    assert AHEAD <= len(beside.read) <= AHEAD + 1
    assert all(name.startswith("reader") for name in beside.threads) and len(beside.threads) == 1
    next(loaded(alone, range(50, 100), CPU))()
    assert alone.read == [50]
    assert alone.threads == {threading.current_thread().name}
