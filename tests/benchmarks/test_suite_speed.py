"""The time of a suite compared with the bare forward passes that it contains, and the memory of Score-CAM.

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
from cambench.bench.core.profiling import Spans, record_spans
from cambench.bench.forward import cost
from cambench.bench.forward.precision import choose_precision
from cambench.bench.run.plan import make_plan
from cambench.bench.run.session import Session
from cambench.tests.support import nets
from cambench.tests.support.board import Board, Figure

pytestmark = pytest.mark.overhead

IMAGES = {"squeezenet1_1": 24, "resnet18": 12, "vgg16": 4}  # a few seconds for each net
BARE_SECONDS = 1.0  # of bare passes before and after each group, during which the machine's speed is assumed constant
BATCHES = (4, 8, 16, 32, 64)  # the fastest one is used for the bare net


@pytest.mark.parametrize("name", ["squeezenet1_1", "resnet18", "vgg16"])
def test_the_default_suite_beside_its_bare_forward_passes(board: Board, name: str) -> None:
    planned = make_plan(suite_file.load("scenes", nets=[name], images=IMAGES[name] + 1), "cpu")
    session = Session(planned, name)
    first, *rest = planned.groups
    list(session.compute([first]))  # the first group also counts the work
    size = planned.images[0].pixels.shape[0]
    best = min(BATCHES, key=lambda count: _bare_seconds(session, size, count))
    ratios, shares, bare_before = list[float](), Counter[str](), _bare_seconds(session, size, best)
    for group in rest:
        seconds, spans = _run(session, [group])
        bare_after = _bare_seconds(session, size, best)
        ratios.append(seconds / (spans.images * (bare_before + bare_after) / 2))
        shares, bare_before = shares + Counter(spans.seconds), bare_after
    label = f"the default suite on {name} over its bare forward passes in batches of {best}, {planned.precision}"
    board.add(Figure(label, median(ratios), "of their seconds", 1.10, most=True, profile=_profile(shares)))


def _run(session: Session, groups: list[list[int]]) -> tuple[float, Spans]:
    with record_spans() as spans:
        start = time.perf_counter()
        list(chain(*session.compute(groups)))
        return time.perf_counter() - start, spans


@torch.inference_mode()
def _bare_seconds(session: Session, size: int, count: int) -> float:
    """The seconds per image of the net's bare forward pass, in batches of `count` images."""
    hot = session.net._forward
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
    net = nets.cut_net("vgg16", nets.architecture("vgg16", channels=64), choose_precision("auto", torch.device("cpu")))
    net.configure(limit)
    image = nets.random_images(1, 224)
    net.prepare(image)
    method, target = find(METHOD, "score_cam"), torch.tensor([3])
    one_image = cost.measure_work(lambda: method(net, image, target), image.device).peak_bytes
    two_images = cost.measure_work(
        lambda: method(net, image.expand(2, -1, -1, -1), target.expand(2)), image.device
    ).peak_bytes
    assert two_images < 1.05 * one_image, "memory grows with the number of images"
    limit_text = "" if limit is None else f" with --memory {limit / 1e6:.0f}MB"
    board.add(
        Figure(
            f"Score-CAM on vgg16 at 224 px: peak of tensors beyond the net's own{limit_text}",
            one_image / 1e9,
            "GB",
            (limit or 2e9) / 1e9,
            most=True,
        )
    )


def test_small_curves_share_batches(board: Board) -> None:
    """One metric of one map per image: eight images together, compared with one at a time."""
    from cambench.bench.run import plan as planning

    suite = suite_file.load("scenes", nets=["squeezenet1_1"], methods=["grad_cam"], metrics=["average_drop"], images=33)
    planned = make_plan(suite, "cpu")
    session = Session(planned, "squeezenet1_1")
    list(session.compute([[0]]))
    indices = planned.indices[1:]
    alone, together = (
        [[n] for n in indices],
        [indices[n : n + planning.MAX_GROUP] for n in range(0, len(indices), planning.MAX_GROUP)],
    )
    pairs = [(_run(session, alone)[0], _run(session, together)[0]) for _ in range(3)]
    board.add(
        Figure(
            "average drop of one method: images one at a time over images in groups",
            median(a / b for a, b in pairs),
            "times the seconds",
            1,
        )
    )
