"""What a run costs besides the net: processor time and operators of torch for an image, on a net that costs almost nothing.

Not part of a plain `pytest`: run `pytest -m overhead -s tests/benchmarks/test_harness.py`.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cambench.bench.config import suite_file
from cambench.bench.forward.forward import Forward
from cambench.bench.run.plan import make_plan
from cambench.bench.run.session import Session
from cambench.tests.support.board import Board, Figure

pytestmark = pytest.mark.overhead

METHODS = [
    "cam", "grad_cam", "score_cam", "grad_cam_pp", "layer_cam", "xgrad_cam", "hires_cam", "eigen_cam", "random",
    "centre", "uniform", "edge", "fake_cam",
]  # fmt: skip
METRICS = ["insertion", "deletion", "average_drop", "average_increase", "average_gain", "pointing", "energy"]
IMAGES, UNTIMED, BATCH = 40, 8, 8  # the first images are timed one by one, and not measured here
NET = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)]
    return nn.Sequential(*layers)
"""
# Milliseconds of processor time and operators for an image, of the code that worked image by image, measured in turn with this
# one on two cores of an Intel Xeon
BEFORE = {
    "13 methods by 7 metrics": (61.9, 2144),
    "1 method by insertion": (6.5, 190),
    "13 methods by ROAD": (525, 22047),
}


@dataclass
class _Outside:
    """What happens outside the passes of perturbed images."""

    seconds: float = 0.0  # of processor time in the passes
    operators: int = 0


class _CountOperators(TorchDispatchMode):
    def __init__(self, outside: _Outside) -> None:
        super().__init__()
        self.outside, self.paused = outside, False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.outside.operators += not self.paused
        return func(*args, **(kwargs or {}))


@contextmanager
def _watch(monkeypatch: pytest.MonkeyPatch, counter: _CountOperators | None) -> Iterator[_Outside]:
    """Take the time of the passes, and let operators in them be uncounted."""
    outside, score = counter.outside if counter else _Outside(), Forward._score

    def watched(self: Forward, images: torch.Tensor) -> torch.Tensor:
        start = time.process_time()
        if counter:
            counter.paused = True
        try:
            return score(self, images)
        finally:
            outside.seconds += time.process_time() - start
            if counter:
                counter.paused = False

    with monkeypatch.context() as patch:
        patch.setattr(Forward, "_score", watched)
        yield outside


@pytest.mark.parametrize(
    ("methods", "metrics", "what"),
    [
        (METHODS, METRICS, "13 methods by 7 metrics"),
        (["grad_cam"], ["insertion"], "1 method by insertion"),
        (METHODS, ["road"], "13 methods by ROAD"),
    ],
)
def test_what_a_run_costs_besides_the_net(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, methods: list[str], metrics: list[str], what: str
) -> None:
    (tmp_path / "nets.py").write_text(NET)
    suite = suite_file.load(
        "smoke", nets=[f"{tmp_path}/nets.py:tiny"], methods=methods, metrics=metrics, images=IMAGES, precision="fp32",
        dataset="scenes[size=64]", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    session = Session(plan, plan.suite.nets[0])
    indices = plan.indices
    groups = [indices[n : n + BATCH] for n in range(UNTIMED, IMAGES, BATCH)]
    list(session.compute([[index] for index in indices[:UNTIMED]]))
    list(session.compute(groups[:2]))  # the batch that is timed as a whole
    images = sum(map(len, groups[2:]))
    with _watch(monkeypatch, None) as outside:
        start = time.process_time()
        list(session.compute(groups[2:]))
        milliseconds = 1000 * (time.process_time() - start - outside.seconds) / images
    counter = _CountOperators(_Outside())
    with _watch(monkeypatch, counter), counter:
        list(session.compute(groups[2:]))
    operators = counter.outside.operators / images
    before_milliseconds, before_operators = BEFORE[what]
    label = f"{what} on scenes of 64 px, for an image and without the passes of perturbed images"
    board.add(
        Figure(f"{label}: processor time", milliseconds / before_milliseconds, "of the time before", 0.2, most=True)
    )
    board.add(Figure(f"{label}: operators", operators / before_operators, "of the operators before", 0.2, most=True))
    print(f"{milliseconds:.1f} ms, {operators:.0f} operators, batches of {BATCH}")
