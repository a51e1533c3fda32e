"""Nets, images and maps that several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cambench.bench.nets.net import Net
from cambench.bench.nets.zoo import SHIPPED
from cambench.tests.support import nets as _nets

MADE = {"tiny_pooled": _nets.tiny_pooled, "tiny_vgg": _nets.tiny_vgg}


@pytest.fixture(scope="session")
def architectures() -> dict[str, nn.Module]:
    """torchvision's modules by name, with seeded random weights; they share them with `nets`."""
    return {name: _nets.architecture(name) for name in SHIPPED}


@pytest.fixture(scope="session")
def nets(architectures: dict[str, nn.Module]) -> dict[str, Net]:
    """Every architecture that can be cut, and two tiny nets."""
    cut = {name: _nets.cut_net(name, module) for name, module in architectures.items()}
    return cut | {name: make() for name, make in MADE.items()}


@pytest.fixture(params=[*MADE, *SHIPPED])
def net(request: pytest.FixtureRequest, nets: dict[str, Net]) -> Net:
    return nets[request.param]


@pytest.fixture(scope="session")
def pooled(nets: dict[str, Net]) -> Net:
    return nets["tiny_pooled"]


@pytest.fixture(scope="session")
def images() -> Tensor:
    return _nets.random_images(2)


@pytest.fixture(scope="session")
def maps() -> Tensor:
    return _nets.random_maps(3)


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with labels.csv, images/ and torch_home/ (torchvision's ImageNet weights), named by CAMBENCH_REAL_DATA."""
    named = os.environ.get("CAMBENCH_REAL_DATA")
    if not named:
        pytest.skip("CAMBENCH_REAL_DATA names no folder of photographs and weights")
    folder = Path(named)
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch_home"))
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As workers have: with two, sums may be of another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
