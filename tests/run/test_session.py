"""A session builds and splits one net of a plan once."""

from pathlib import Path
from typing import Any

import pytest

import cambench
from cambench.bench.config import suite_file
from cambench.bench.nets import split
from cambench.bench.run import forecast
from cambench.bench.run.plan import make_plan

SMALL = {"dataset": "scenes[size=64]", "methods": ["grad_cam"], "metrics": ["deletion"]}


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Record the modules that are split into nets."""
    modules: list[object] = []
    original = split.split_net

    def record(*arguments: Any) -> split.SplitNet:
        modules.append(arguments[0])
        return original(*arguments)

    monkeypatch.setattr(split, "split_net", record)
    return modules


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_builds_each_net_once(precision: str, tmp_path: Path, builds: list[object]) -> None:
    """Also if the first images are scored in fp32 too, to measure the drift of bf16."""
    nets = ["squeezenet1_1", "resnet18"]
    cambench.run(
        "smoke", out=tmp_path / "run", device="cpu", quiet=True, nets=nets, images=2, precision=precision,
        drift=1, **SMALL,
    )  # fmt: skip
    assert len(builds) == len(nets)


def test_a_forecast_builds_a_net_once(builds: list[object]) -> None:
    suite = suite_file.load("smoke", nets=["squeezenet1_1"], precision="fp32", **SMALL)
    plan = make_plan(suite.model_copy(update={"images": forecast.min_images(suite.drift)}), "cpu")
    assert forecast.measure_needs(plan, "squeezenet1_1").forwards > 0
    assert len(builds) == 1
