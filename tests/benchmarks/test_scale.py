"""The speed of two workers compared with one, and the memory of a long run.

Not part of a plain `pytest`: run `pytest -m overhead -s tests/benchmarks/test_scale.py` on an idle machine.
"""

import time
from pathlib import Path

import numpy as np
import pytest

from cambench.bench.config import suite_file
from cambench.bench.core.plugins import ENGINE, find
from cambench.bench.engines import local
from cambench.bench.run.describe import make_header
from cambench.bench.run.plan import make_plan
from cambench.bench.store.writer import Writer

pytestmark = [pytest.mark.overhead, pytest.mark.usefixtures("one_thread")]

LEAST = 1.7
PAIRS = 3
MOST_MB = 10  # in 1000 images


def rate(directory: Path, workers: int, images: int) -> float:
    """Cells per second, counted from the first completed cell, when the workers have started or are about to."""
    suite = suite_file.load(
        "smoke", nets=["resnet18"], methods=["grad_cam", "random", "centre"], images=images, precision="fp32",
        metrics=["insertion", "deletion", "average_drop"], dataset="scenes[size=96]",
    )  # fmt: skip
    planned = make_plan(suite, "cpu")
    writer = Writer(directory, make_header(planned))
    ends = [time.perf_counter() for _ in find(ENGINE, f"ray[workers={workers}]")(planned, writer)]
    writer.close()
    return sum(end > ends[0] for end in ends) / (ends[-1] - ends[0])


def test_two_workers_are_nearly_twice_as_fast_as_one(tmp_path: Path) -> None:
    ratios = []
    for pair in range(PAIRS):
        single_rate, double_rate = (rate(tmp_path / f"{pair}-{workers}", workers, 24 * workers) for workers in (1, 2))
        ratios.append(double_rate / single_rate)
        print(f"\ntwo workers over one: {ratios[-1]:.2f} ({single_rate:.2f} and {double_rate:.2f} images a second)")
    assert np.median(ratios) >= LEAST


def test_memory_is_flat_over_two_thousand_images(tmp_path: Path) -> None:
    suite = suite_file.load(
        "smoke", nets=["squeezenet1_1"], methods=["grad_cam"], images=2000, precision="fp32",
        metrics=["average_drop", "insertion"], dataset="scenes[size=64]",
    )  # fmt: skip
    planned = make_plan(suite, "cpu")
    writer = Writer(tmp_path / "run", make_header(planned))
    memory = []
    for number, _ in enumerate(local.work(planned, writer)):
        if number % 100 == 99:
            memory.append((number, resident()))
    writer.close()
    numbers, megabytes = np.array(memory[5:]).T
    slope = 1000 * np.polyfit(numbers, megabytes, 1)[0]
    print(f"\n{memory[5][1]:.0f} MB after 600 images, {memory[-1][1]:.0f} MB after 2000: {slope:.1f} MB in 1000 images")
    assert slope < MOST_MB


def resident() -> float:
    """Megabytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * 4096 / 1e6
