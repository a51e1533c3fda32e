"""The cost of a call: operations and bytes counted by hand."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from cambench.bench.forward import cost
from cambench.bench.forward.cost import time_call, time_warm_call
from cambench.bench.nets.class_maps import PointwiseLinear
from cambench.bench.nets.cut import Cut
from cambench.bench.nets.net import Net
from cambench.methods import cam, centre, grad_cam, random, score_cam
from cambench.tests.support.nets import random_images

CONV = 2 * 4 * 3 * 3 * 3 * 64  # 4 filters of 3 x 3 x 3 at each of 64 pixels, a multiplication and an addition each
HEAD = 2 * 4 * 5
TARGET = torch.tensor([2])
CPU = torch.device("cpu")


def work(call: Callable[[], object]) -> cost.Work:
    return cost.measure_work(call, CPU)


def _net() -> Net:
    """A convolution of 3 to 4 channels on 8 x 8 pixels, a ReLU, and 5 classes of the mean activations."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv, linear = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.Linear(4, 5)
    conv.weight.data.abs_()  # no channel is dead
    line = {"0": conv, "1": nn.ReLU(), "2": nn.AdaptiveAvgPool2d(1), "3": nn.Flatten(), "4": linear}
    cut = Cut(line, "1", PointwiseLinear(linear))
    return Net("by_hand", cut, tuple("abcde"), "fp32")


@pytest.fixture(scope="module")
def net() -> Net:
    return _net()


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return random_images(1, 8)


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_a_forward_pass_by_hand(mode: Any, net: Net, image: torch.Tensor) -> None:
    def call() -> torch.Tensor:
        with mode():
            return net(image)

    assert work(call).flops == CONV + HEAD
    assert work(lambda: [call(), call()]).flops == 2 * (CONV + HEAD)


def test_grad_cam_by_hand(net: Net, image: torch.Tensor) -> None:
    """One forward pass, and backward through the linear layer alone: 1 x 5 gradients times 5 x 4 weights."""
    assert work(lambda: grad_cam.explain(net, image, TARGET)).flops == CONV + HEAD + 2 * 5 * 4


def test_cam_costs_the_features_and_the_class_maps(net: Net, image: torch.Tensor) -> None:
    assert work(lambda: cam.explain(net, image, TARGET)).flops == CONV + 2 * 4 * 5 * 64


def test_score_cam_costs_one_forward_pass_per_live_channel_plus_one(net: Net, image: torch.Tensor) -> None:
    net.prepare(image)
    live = 4
    weighted = 2 * live * 64  # the sum of the channels by their weights
    flops = work(lambda: score_cam.explain(net, image, TARGET)).flops
    assert flops == CONV + live * (CONV + HEAD) + weighted


def test_dead_channels_cost_score_cam_nothing(image: torch.Tensor) -> None:
    net: Any = _net()
    net.features[0].weight.data[1:3] = 0
    net.prepare(image)
    assert work(lambda: score_cam.explain(net, image, TARGET)).flops == CONV + 2 * (CONV + HEAD) + 2 * 2 * 64


@pytest.mark.parametrize("method", [random, centre])
def test_controls_cost_no_flops(method: Any, net: Net, image: torch.Tensor) -> None:
    assert work(lambda: method.explain(net, image, TARGET)).flops == 0


@pytest.mark.parametrize("name", ["cam", "grad_cam", "score_cam"])
def test_forwards_on_squeezenet(name: str, nets: dict[str, Net], images: torch.Tensor) -> None:
    net, method = nets["squeezenet1_1"], {"cam": cam, "grad_cam": grad_cam, "score_cam": score_cam}[name]
    image = images[:1]
    net.prepare(image)
    prediction = work(lambda: net(image)).flops
    activations = net.features(image)
    live = int((activations.amax((2, 3)) > activations.amin((2, 3))).sum())
    forwards = 1 + live if name == "score_cam" else 1
    assert 20 < live < 512
    head = work(lambda: net.classify(activations)).flops
    assert work(lambda: method.explain(net, image, TARGET)).flops / prediction == pytest.approx(
        forwards, abs=2 * head / prediction
    )


def test_peak_bytes_of_a_chain_by_hand() -> None:
    """At most two tensors of 4,000 bytes exist at a time: each is freed once the next one is made."""
    start = torch.ones(1000)

    def chain() -> torch.Tensor:
        first = start + 1
        second = first * 2
        del first
        third = second - 1
        del second
        return third.sum()

    assert work(chain).peak_bytes == 8000
    assert work(chain) == work(chain)


def test_views_and_inputs_add_no_bytes() -> None:
    start = torch.ones(1000)
    assert work(lambda: start.view(10, 100).t()[:5]).peak_bytes == 0
    assert work(lambda: start.add_(1)).peak_bytes == 0
    assert work(lambda: [start + 1, start + 2, start + 3]).peak_bytes == 12_000


def test_work_is_reproducible(net: Net, image: torch.Tensor) -> None:
    net.prepare(image)
    first = work(lambda: score_cam.explain(net, image, TARGET))
    assert first == work(lambda: score_cam.explain(net, image, TARGET))
    assert first.peak_bytes > 4 * 3 * 64 * 4


def test_seconds_are_those_of_the_call() -> None:
    result, seconds = time_call(lambda: [time.sleep(0.05), "done"][1], CPU)
    assert result == "done" and 0.05 <= seconds < 5


@pytest.mark.parametrize(("seconds", "calls"), [((0.05, 0.0), 2), ((0.2, 0.0), 1)])
def test_a_short_call_is_timed_once_caches_are_warm(seconds: tuple[float, float], calls: int) -> None:
    waits = iter(seconds)
    made: list[float] = []

    def call() -> int:
        made.append(next(waits))
        time.sleep(made[-1])
        return len(made)

    prepared: list[Callable[[], int]] = []
    result, measured = time_warm_call(lambda: prepared.append(call) or call, CPU)  # type: ignore[func-returns-value]
    assert result == len(made) == len(prepared) == calls, "each call is prepared anew"
    assert (measured < 0.04) is (calls == 2), "the first of two calls does not count"
