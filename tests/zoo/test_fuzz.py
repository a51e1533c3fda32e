"""Random nets: each is explained as plain torch does, or refused in a sentence; nothing else is raised."""

import random

import pytest
import torch
from torch import Tensor

from cambench import BenchError, NotApplicable, compute_maps, load_net
from cambench.bench.nets import split
from cambench.bench.nets.net import Net
from cambench.tests.support.nets import random_images
from cambench.tests.support.plain_torch import check_grad_cam, check_net, check_scores
from cambench.tests.support.random_nets import SIZE, Case, build

COUNT, FIRST = 300, 60  # nets in all, and those that every run of the tests takes
slow = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(FIRST, COUNT)]


@pytest.fixture(autouse=True)
def small_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets are first tried on images of 48 x 48, which is faster than 224 x 224."""
    monkeypatch.setattr(split, "SIZES", (SIZE,))


def load(case: Case, layer: str | None = None) -> Net:
    settings = {"name": "net", "preprocess": "none", "device": "cpu", "precision": "fp32"}
    return load_net(case.plain.module, layer=layer, **settings, **case.settings)


@pytest.mark.parametrize("seed", [*range(FIRST), *slow])
def test_a_random_net_is_explained_as_plain_torch_does_or_refused(seed: int) -> None:
    case = build(seed)
    if case.refused:
        with pytest.raises(BenchError, match=case.refused):
            load(case)
        return
    check_net(load(case), case.plain, random_images(1, SIZE, seed), gradients=case.gradients)
    check_any_layer(case, seed)


def check_any_layer(case: Case, seed: int) -> None:
    """Raise AssertionError unless a random layer is explained as plain torch does, or refused in a sentence."""
    names = [name for name, _ in case.plain.module.named_modules() if name]
    images = random_images(1, SIZE, seed)
    try:
        net = load(case, random.Random(seed).choice(names))
    except BenchError as error:
        message = str(error)
    else:
        check_layer(case, net, images)
        return
    assert message.startswith("net: ") and "\n" not in message


def check_layer(case: Case, net: Net, images: Tensor) -> None:
    """Raise AssertionError unless a net's scores and, if it has gradients, Grad-CAM are those of plain torch."""
    check_scores(net, case.plain, images)
    if case.gradients and can_be_differentiated(case, net, images):
        check_grad_cam(net, case.plain, images)


def can_be_differentiated(case: Case, net: Net, images: Tensor) -> bool:
    """Tell whether a net has gradients by its layer's output. Raise AssertionError if the suite does not say the same."""
    try:
        case.plain.compute_grad_cams(images, net.layer)
    except RuntimeError as error:
        if "modified" not in str(error) or "inplace" not in str(error):
            raise
        with pytest.raises(NotApplicable, match=r"passes no gradients on: .* \(in-place operations\)"):
            compute_maps("grad_cam", net, images, torch.tensor([0]))
        return False
    return True


def test_most_random_nets_are_to_be_explained() -> None:
    assert sum(not build(seed).refused for seed in range(FIRST)) > FIRST / 2
