"""A device without float64, such as Apple's MPS: the CPU plays it, and refuses every float64 tensor."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cambench.bench.config import suite_file
from cambench.bench.forward import device
from cambench.bench.run.plan import make_plan
from cambench.bench.run.session import Session
from cambench.bench.store.parts import Unit

METHODS = [
    "ablation_cam",
    "rise[count=8]",
    "recipro_cam",
    "score_cam[weights=logit]",
    "opti_cam[iterations=2]",
]
METRICS = [
    "insertion", "insertion[cells=true]", "average_drop", "pointing", "energy", "gini", "road", "adcc", "infidelity[samples=4]",
    "max_sensitivity[samples=2]", "region_perturbation[regions=4]",
]  # fmt: skip
NET = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
    return nn.Sequential(*layers)
"""


class _RefuseFloat64(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if any(isinstance(leaf, Tensor) and leaf.dtype == torch.float64 for leaf in tree_leaves(result)):
            raise TypeError(f"{func} makes a float64 tensor, which the device does not have")
        return result


def compute(folder: Path) -> list[Unit]:
    (folder / "nets.py").write_text(NET)
    suite = suite_file.load(
        "smoke", nets=[f"{folder}/nets.py:tiny"], methods=METHODS, metrics=METRICS, images=2, precision="fp32",
        dataset="scenes[size=32]", target="predicted",
    ).model_copy(update={"timed": 1})  # fmt: skip
    plan = make_plan(suite, "cpu")
    return [unit for units in Session(plan, plan.suite.nets[0]).compute(plan.groups[1:]) for unit in units]


def list_failures(units: list[Unit]) -> list[str]:
    return [failure["reason"] for unit in units for failure in unit.rows.get("failures", [])]


def test_a_run_makes_no_float64_tensors_on_a_device_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = compute(tmp_path)
    with _RefuseFloat64():
        (failure,) = list_failures(compute(tmp_path))
    assert "makes a float64 tensor" in failure
    monkeypatch.setattr(device, "WITHOUT_FLOAT64", ("mps", "cpu"))
    with _RefuseFloat64():
        units = compute(tmp_path)
    assert not list_failures(units)
    rows, expected_rows = ([row for unit in found for row in unit.rows["scores"]] for found in (units, expected))
    assert len(rows) == len(METHODS) * len(METRICS)
    assert [row["reason"] for row in rows] == [row["reason"] for row in expected_rows]
    values, expected_values = ([row["value"] for row in found] for found in (rows, expected_rows))
    assert values == pytest.approx(expected_values, abs=1e-3, nan_ok=True)
