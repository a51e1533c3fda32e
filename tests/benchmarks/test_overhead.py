"""The overhead of the harness over the forward passes of a method or a metric.

Not part of a plain `pytest`: run `pytest -m overhead -s tests/benchmarks`.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch
from torch import Tensor

from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METHOD, METRIC, find, list_names
from cambench.bench.forward.cost import measure_work
from cambench.bench.forward.forward import Stream
from cambench.bench.nets.net import Net
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.methods import grad_cam
from cambench.tests.support import nets
from cambench.tests.support.nets import scores_of

pytestmark = pytest.mark.overhead

PAIRS = 5
MAX_RATIO = 1.2
FORWARD_BASED = ("insertion", "deletion", "average_drop", "average_increase", "average_gain")
TARGET = torch.tensor([3])


@pytest.fixture(scope="module", params=[("squeezenet1_1", 160), ("resnet18", 160)], ids=lambda p: f"{p[0]}-{p[1]}px")
def setting(request: pytest.FixtureRequest) -> tuple[Net, Tensor]:
    """A net whose chunk has been found, and an image (1, 3, h, w)."""
    name, size = request.param
    net, image = nets.cut_net(name, nets.architecture(name, channels=256)), nets.random_images(1, size)
    net.prepare(image)
    return net, image


class _Counted:
    """Counts the images and the activations that a net scores."""

    def __init__(self, net: Net) -> None:
        self.net, self.count, self.heads = net, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.net, name)

    def scores(self, stream: Stream) -> Tensor:
        self.count += stream.count
        return self.net.scores(stream)

    def logits(self, stream: Stream) -> Tensor:
        self.count += stream.count
        return self.net.logits(stream)

    def classify_stream(self, stream: Stream) -> Tensor:
        self.heads += stream.count
        return self.net.classify_stream(stream)


def _forwards(net: Net, image: Tensor, method: Callable[..., object]) -> float:
    """The work of a method in units of one prediction, backward passes included."""
    predict = torch.no_grad()(lambda: net(image))
    return (
        measure_work(lambda: method(net, image, TARGET), image.device).flops / measure_work(predict, image.device).flops
    )


def bare_passes(net: Net, image: Tensor, count: int, heads: int = 0) -> Callable[[], None]:
    """As many forward passes of the net and of its head, on prepared batches of the same chunk size and precision."""
    with torch.no_grad():
        activations = net.features(image)
    net._head.prepare(activations)
    passes = [(net._forward, image, count), (net._head, activations, heads)]
    prepared = [
        (hot, inputs.expand(min(hot._chunk, total), -1, -1, -1).to(hot.dtype).contiguous(), total)
        for hot, inputs, total in passes
        if total
    ]

    @torch.inference_mode()
    def call() -> None:
        for hot, batch, total in prepared:
            for start in range(0, total, hot._chunk):
                hot.net(batch[: min(hot._chunk, total - start)])

    return call


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def ratio(call: Callable[[], object], reference: Callable[[], object]) -> tuple[float, float, float]:
    """The median ratio of calls timed in alternation, and the median seconds of both."""
    call(), reference()
    pairs = [(seconds(call), seconds(reference)) for _ in range(PAIRS)]
    call_seconds, reference_seconds = zip(*pairs, strict=True)
    return median(a / b for a, b in pairs), median(call_seconds), median(reference_seconds)


def _scoring(net: Any, image: Tensor, specs: tuple[str, ...]) -> Callable[[], object]:
    maps = stretch(fit(grad_cam.explain(net, image, TARGET), (image.shape[2], image.shape[3])))
    metrics = [find(METRIC, spec) for spec in specs]
    return lambda: scores_of(net, image[0], int(TARGET), maps, (), metrics)


def _report(benchmark: Any, name: str, timing: tuple[float, float, float], count: int) -> None:
    benchmark.extra_info.update(ratio=timing[0], images=count, bare_seconds=timing[2])
    print(
        f"\n{name}: {timing[1]:.4f} s, compared with {timing[2]:.4f} s for {count} bare forward passes: {timing[0]:.3f}"
    )


@pytest.mark.parametrize("name", [name for name in list_names(METHOD) if name != "pytorch_grad_cam"])
def test_methods(benchmark: Any, setting: tuple[Net, Tensor], name: str) -> None:
    net, image = setting
    method, counted = find(METHOD, name), _Counted(net)
    try:
        method(counted, image, TARGET)
    except NotApplicable as reason:
        pytest.skip(str(reason))
    # One pass computes the activations; passes of the head alone are counted separately.
    count = counted.count + 1 if counted.heads else max(counted.count + 1, round(_forwards(net, image, method)))
    timing = ratio(lambda: method(net, image, TARGET), bare_passes(net, image, count, counted.heads))
    benchmark.pedantic(method, (net, image, TARGET), rounds=1)
    _report(benchmark, f"{name} on {net.name}", timing, count)
    if name == "score_cam":
        assert timing[0] <= MAX_RATIO


@pytest.mark.parametrize("specs", [*((spec,) for spec in FORWARD_BASED), FORWARD_BASED], ids="+".join)
def test_metrics(benchmark: Any, setting: tuple[Net, Tensor], specs: tuple[str, ...]) -> None:
    net, image = setting
    counted: Any = _Counted(net)
    _scoring(counted, image, specs)()
    call = _scoring(net, image, specs)
    timing = ratio(call, bare_passes(net, image, counted.count))
    benchmark.pedantic(call, rounds=1)
    _report(benchmark, f"{' + '.join(specs)} on {net.name}", timing, counted.count)
    if specs == FORWARD_BASED:
        assert timing[0] <= MAX_RATIO
