"""Measures what a run costs besides the net, on a net that costs almost nothing, and prints it as JSON.

test_harness.py runs this file with the present code and with that of an earlier commit, so it uses only what both define. It
is not part of a package: run `PYTHONPATH=... python tests/benchmarks/harness.py`.
"""

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cambench.bench.config import suite_file
from cambench.bench.forward.forward import Forward
from cambench.bench.metrics import pic
from cambench.bench.run.plan import make_plan
from cambench.bench.run.session import Session

METHODS = [
    "cam", "grad_cam", "score_cam", "grad_cam_pp", "layer_cam", "xgrad_cam", "hires_cam", "eigen_cam", "random",
    "centre", "uniform", "edge", "fake_cam",
]  # fmt: skip
METRICS = ["insertion", "deletion", "average_drop", "average_increase", "average_gain", "pointing", "energy"]
PASTED = (
    "pic[sharpen=paste]" if "sharpen" in signature(pic.score).parameters else "pic"
)  # the earlier code can only paste
UNTIMED, BATCH = 8, 8  # the first images are timed one by one, and not measured here
ROWS = {  # methods, metrics, and batches that are measured
    "13 methods by 7 metrics": (METHODS, METRICS, 6),
    "1 method by insertion": (["grad_cam"], ["insertion"], 24),
    "13 methods by ROAD": (METHODS, ["road"], 1),
    "13 methods by PIC, pasted": (METHODS, [PASTED], 1),
}
NET = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)]
    layers[-1].weight.data *= 30  # PIC applies to images of which the net is sure
    return nn.Sequential(*layers)
"""
DATA = '''
"""Scenes of 64 px, each drawn once: drawing them takes longer than all else that is measured."""

from functools import cache

from cambench.datasets import scenes

class Drawn:
    def __init__(self):
        self._scenes = scenes.load(size=64)
        self.classes, self.name = self._scenes.classes, self._scenes.name
        self._draw = cache(self._scenes.__getitem__)

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return self._draw(index)

def load():
    return Drawn()
'''


class _Passes:
    """The passes of perturbed images: their processor time, and whether one runs now."""

    seconds, running = 0.0, False


class _CountOperators(TorchDispatchMode):
    """Counts the operators of torch outside of the passes."""

    def __init__(self, passes: _Passes) -> None:
        super().__init__()
        self._passes, self.count = passes, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not self._passes.running
        return func(*args, **(kwargs or {}))


@contextmanager
def _watch_passes() -> Iterator[_Passes]:
    passes, score = _Passes(), Forward._score

    def watched(self: Forward, images: torch.Tensor) -> torch.Tensor:
        start, passes.running = time.process_time(), True
        try:
            return score(self, images)
        finally:
            passes.seconds, passes.running = passes.seconds + time.process_time() - start, False

    Forward._score = watched  # type: ignore[method-assign]
    try:
        yield passes
    finally:
        Forward._score = score  # type: ignore[method-assign]


def measure(folder: Path, methods: list[str], metrics: list[str], batches: int) -> tuple[float, float]:
    """Return the milliseconds of processor time and the operators of torch for an image, without the passes."""
    suite = suite_file.load(
        "smoke", nets=[f"{folder}/nets.py:tiny"], methods=methods, metrics=metrics, precision="fp32",
        images=UNTIMED + BATCH * (1 + batches), dataset=f"{folder}/data.py", target="predicted",
    )  # fmt: skip
    plan = make_plan(suite, "cpu")
    session, indices = Session(plan, plan.suite.nets[0]), plan.indices
    groups = [indices[n : n + BATCH] for n in range(UNTIMED, len(indices), BATCH)]
    list(session.compute([[index] for index in indices[:UNTIMED]]))
    list(session.compute(groups[:1]))  # the batch that is timed as a whole
    images = BATCH * batches
    for index in (index for group in groups for index in group):
        plan.images[index]
    with _watch_passes() as passes:
        start = time.process_time()
        list(session.compute(groups[1:]))
        milliseconds = 1000 * (time.process_time() - start - passes.seconds) / images
        with _CountOperators(passes) as counter:
            list(session.compute(groups[1:2]))
    return milliseconds, counter.count / BATCH


def _tune_process() -> None:
    """Set the process up as a run's."""
    try:
        from cambench.bench.forward.process import tune_process
    except ImportError:  # the earlier code
        importlib.import_module("cambench.bench.forward.allocator").keep_freed_memory()
    else:
        tune_process(torch.device("cpu"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    _tune_process()
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "nets.py").write_text(NET)
        (Path(name) / "data.py").write_text(DATA)
        chosen = sys.argv[1:] or ROWS
        print(json.dumps({row: measure(Path(name), *ROWS[row]) for row in chosen}))
