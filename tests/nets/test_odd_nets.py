"""Whatever is named as a net, and whatever its code raises, is one sentence."""

from pathlib import Path

import pytest
import torch

from cambench.bench.core.errors import PluginError, UsageError
from cambench.bench.nets import load, split

DEVICE = torch.device("cpu")
NET = """import torch
from torch import nn


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, images):
        {line}
        return self.linear(self.conv(images).relu().mean((2, 3)))
"""
ODD = "type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sys:exit", "sys:exit fails: it raises SystemExit"),
        ("builtins:print", "builtins:print returns NoneType: a factory returns a torch.nn.Module"),
        ("math:pi", "math:pi is not a function"),
        ("json:loads", "json:loads fails: it raises TypeError"),
    ],
)
def test_what_makes_no_net_is_refused(spec: str, message: str) -> None:
    with pytest.raises((PluginError, UsageError), match=message):
        load.load(spec, DEVICE, "fp32")


def test_a_function_of_an_installed_package_is_loaded() -> None:
    net = load.load("torchvision.models:squeezenet1_1", DEVICE, "fp32")
    assert net.layer.startswith("features") and len(net.code) == 64


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("return self(images)", "RecursionError: maximum recursion depth exceeded"),
        ("raise BaseException('x')", "the net fails: it raises BaseException: x"),
        ("raise GeneratorExit", "the net fails: it raises GeneratorExit"),
        ("raise SystemExit(0)", "the net fails: it raises SystemExit: 0"),
        (f"raise {ODD}", r"the net fails: it raises Odd: \(Odd cannot be printed\)"),
        ("raise ValueError('x' * 10**6)", "ValueError: xxx"),
    ],
)
def test_whatever_a_net_raises_is_one_sentence(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "own.py").write_text(NET.format(line=line), encoding="utf-8")
    with pytest.raises((PluginError, UsageError), match=message) as refusal:
        load.load(f"{tmp_path / 'own.py'}:Own", DEVICE, "fp32")
    assert len(str(refusal.value)) < 500


def test_what_a_net_changes_in_the_process_is_put_back(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(NET.format(line="torch.set_default_dtype(torch.float64)"), encoding="utf-8")
    load.load(f"{tmp_path / 'own.py'}:Own", DEVICE, "fp32")
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 4 TB")])
def test_a_net_that_does_not_fit_into_memory_is_refused(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(split, "split_net", fail)
    with pytest.raises(UsageError, match=r"^squeezenet1_1 does not fit into the memory of cpu: take a smaller net$"):
        load.load("squeezenet1_1", DEVICE, "fp32")
