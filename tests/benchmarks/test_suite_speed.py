"""A suite's time beside that of the bare forward passes that it contains, and what Score-CAM takes of memory.

Not part of a plain `pytest`: run `pytest -m overhead -s tests/benchmarks/test_suite_speed.py`.
"""

import time
from collections import Counter
from itertools import chain
from statistics import median

import pytest
import torch

from cambench.bench.config import suite_file
from cambench.bench.core.plugins import METHOD, find
from cambench.bench.core.profiling import Spans, profiled
from cambench.bench.forward import cost
from cambench.bench.forward.precision import chosen
from cambench.bench.run.plan import plan
from cambench.bench.run.session import Ready
from cambench.tests.support import nets
from cambench.tests.support.board import Board, Told

pytestmark = pytest.mark.overhead

IMAGES = {"squeezenet1_1": 24, "resnet18": 12, "vgg16": 4}  # a few seconds of each
BARE_SECONDS = 1.0  # of bare passes before and after each group: this long the machine is taken to be as quick
BATCHES = (4, 8, 16, 32, 64)  # of which the quickest is the bare net's best


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "vgg16"])
def test_the_default_suite_beside_its_bare_forward_passes(board: Board, name: str) -> None:
    planned = plan(suite_file.load("scenes", nets=[name], images=IMAGES[name] + 1), "cpu")
    ready = Ready(planned, name)
    first, *rest = planned.groups
    list(ready.units([first]))  # on which the work is counted
    size = planned.images[0].pixels.shape[0]
    best = min(BATCHES, key=lambda count: _bare(ready, size, count))
    ratios, shares, before = list[float](), Counter[str](), _bare(ready, size, best)
    for group in rest:
        seconds, spans = _run(ready, [group])
        after = _bare(ready, size, best)
        ratios.append(seconds / (spans.images * (before + after) / 2))
        shares, before = shares + Counter(spans.seconds), after
    what = f"the default suite on {name} over its bare forward passes in batches of {best}, {planned.precision}"
    board.tell(Told(what, median(ratios), "of their seconds", 1.10, most=True, profile=_profile(shares)))


def _run(ready: Ready, groups: list[list[int]]) -> tuple[float, Spans]:
    with profiled() as spans:
        start = time.perf_counter()
        list(chain(*ready.units(groups)))
        return time.perf_counter() - start, spans


@torch.inference_mode()
def _bare(ready: Ready, size: int, count: int) -> float:
    """The seconds of an image in the net's bare forward pass, in batches of so many."""
    hot = ready._net._forward
    batch = torch.rand(count, 3, size, size).to(hot.dtype)
    hot.net(batch)
    passes, start = 0, time.perf_counter()
    while (now := time.perf_counter() - start) < BARE_SECONDS:
        hot.net(batch)
        passes += 1
    return now / (passes * count)


def _profile(seconds: Counter[str]) -> str:
    return ", ".join(f"{name} {100 * share / seconds.total():.1f} %" for name, share in seconds.most_common())


@pytest.mark.parametrize("limit", [None, 200e6])
def test_score_cams_memory_on_vgg16(board: Board, limit: float | None) -> None:
    net = nets.cut_net("vgg16", nets.architecture("vgg16", channels=64), chosen("auto", torch.device("cpu")))
    net.tune(limit)
    image = nets.random_images(1, 224)
    net.prepare(image)
    method, target = find(METHOD, "score_cam"), torch.tensor([3])
    few = cost.work(lambda: method(net, image, target), image.device).peak_bytes
    many = cost.work(lambda: method(net, image.expand(2, -1, -1, -1), target.expand(2)), image.device).peak_bytes
    assert many < 1.05 * few, "memory grows with the number of images"
    within = "" if limit is None else f" with --memory {limit / 1e6:.0f}MB"
    board.tell(
        Told(
            f"Score-CAM on vgg16 at 224 px: peak of tensors beyond the net's own{within}",
            few / 1e9,
            "GB",
            (limit or 2e9) / 1e9,
            most=True,
        )
    )


def test_small_curves_share_batches(board: Board) -> None:
    """One metric of one map an image: eight images together, beside one at a time."""
    from cambench.bench.run import plan as planning

    small = suite_file.load("scenes", nets=["squeezenet1_1"], methods=["grad_cam"], metrics=["average_drop"], images=33)
    planned = plan(small, "cpu")
    ready = Ready(planned, "squeezenet1_1")
    list(ready.units([[0]]))
    rest = planned.chosen[1:]
    alone, together = (
        [[n] for n in rest],
        [rest[n : n + planning.GROUP_MOST] for n in range(0, len(rest), planning.GROUP_MOST)],
    )
    pairs = [(_run(ready, alone)[0], _run(ready, together)[0]) for _ in range(3)]
    board.tell(
        Told(
            "average drop of one method: images one at a time over images in groups",
            median(a / b for a, b in pairs),
            "times the seconds",
            1,
        )
    )
