"""A call of the library does not change the state of the process; only the command line sets up its process."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import cambench
from cambench.bench.forward import process
from cambench.datasets import scenes
from cambench.tests.support.cli import bench

NET = "squeezenet1_1"
CHEAP = {"methods": ["grad_cam"], "metrics": ["deletion"], "precision": "fp32"}


def process_state() -> list[Any]:
    """The state that a library call must not change: torch's flags and modes, its default dtype, the random generators."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return [
        cudnn.allow_tf32,
        cudnn.deterministic,
        cudnn.benchmark,
        cudnn.enabled,
        matmul.allow_tf32,
        torch.are_deterministic_algorithms_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_rng_state().tolist(),
        random.getstate(),
        str(np.random.get_state()),
    ]


def load_net(_: Path) -> None:
    cambench.load_net(NET, device="cpu")


def explain(_: Path) -> None:
    cambench.explain(scenes.load(size=64)[0], NET, method="score_cam", device="cpu")


def score(_: Path) -> None:
    cambench.score(np.eye(7), scenes.load(size=64)[0], NET, target="top1", metrics=["deletion"], device="cpu")


def run(folder: Path) -> None:
    cambench.run("smoke", nets=[NET], images=1, out=folder / "run", device="cpu", quiet=True, **CHEAP)


@pytest.fixture
def unusual_flags() -> Any:
    """Set each flag to the opposite of what exact arithmetic needs, as a user might."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32 = True, False, True, True
    yield
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, matmul.allow_tf32 = before


@pytest.fixture
def allocator_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Record the options set in the C library's allocator, without setting them."""
    calls: list[tuple[int, int]] = []
    library = SimpleNamespace(gnu_get_libc_version=None, mallopt=lambda option, value: calls.append((option, value)))
    monkeypatch.setattr("cambench.bench.forward.process.ctypes", SimpleNamespace(CDLL=lambda _: library))
    return calls


@pytest.mark.usefixtures("unusual_flags")
@pytest.mark.parametrize("call", [load_net, explain, score, run])
def test_a_library_call_changes_nothing_in_the_process(
    call: Callable[[Path], None], tmp_path: Path, allocator_calls: list[tuple[int, int]]
) -> None:
    before = process_state()
    call(tmp_path)
    assert process_state() == before
    assert not allocator_calls


RANDOM = '''"""Seed and draw from every global generator."""

import random

import numpy
import torch

random.seed(1)
numpy.random.seed(1)
torch.manual_seed(1)


def explain(net, images, targets):
    random.random(), numpy.random.random()
    return torch.rand(len(images), 7, 7)
'''


@pytest.mark.parametrize("whole_run", [False, True])
def test_random_numbers_of_a_users_file_are_drawn_from_a_copy_of_the_process_state(
    tmp_path: Path, whole_run: bool
) -> None:
    (tmp_path / "drawn.py").write_text(RANDOM, encoding="utf-8")
    chosen = {"metrics": ["gini"], "precision": "fp32", "device": "cpu"}
    before = process_state()
    if whole_run:
        options = {"dataset": "scenes[size=64]", "nets": [NET], "methods": [str(tmp_path / "drawn.py")], "images": 1}
        cambench.run("scenes", out=tmp_path / "run", quiet=True, **options, **chosen)
    else:
        cambench.explain(scenes.load(size=64)[0], NET, method=str(tmp_path / "drawn.py"), **chosen)
    assert process_state() == before


def test_the_command_line_sets_up_the_allocator_of_its_process(
    tmp_path: Path, allocator_calls: list[tuple[int, int]]
) -> None:
    arguments = ["run", "smoke", "--nets", NET, "--methods", "centre", "--metrics", "gini", "--images", "1"]
    assert bench(*arguments, "--device", "cpu", "--out", tmp_path / "run").exit_code == 0
    assert {option for option, _ in allocator_calls} == {process.M_TRIM_THRESHOLD, process.M_MMAP_THRESHOLD}


METHOD = '''"""Write the flags under which it is called to a file."""

import json
from pathlib import Path

import torch


def explain(net, images, targets):
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    flags = [cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic, cudnn.benchmark]
    Path({file!r}).write_text(json.dumps(flags))
    return images.mean(1)
'''


@pytest.mark.usefixtures("unusual_flags")
def test_a_method_runs_in_exact_arithmetic_for_any_flags_of_the_user(tmp_path: Path) -> None:
    flags, method = tmp_path / "flags.json", tmp_path / "flags_cam.py"
    method.write_text(METHOD.format(file=str(flags)), encoding="utf-8")
    cambench.explain(scenes.load(size=64)[0], NET, method=str(method), metrics=["gini"], device="cpu")
    assert flags.read_text(encoding="utf-8") == "[false, false, true, false]"


def test_objects_that_the_garbage_collector_skips_are_given_back_at_the_end() -> None:
    code = (
        "import atexit, gc, torch; atexit.register(lambda: print(gc.get_freeze_count()));"
        "from cambench.bench.forward.process import tune_process; tune_process(torch.device('cpu'));"
        "print(gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0"] and not done.stderr
