"""Measures the work, the seconds and the bytes of one image on a few images, to forecast a run.

Work counts the floating-point operations of an image's maps and scores, in units of one prediction. It is the same on every
device, so the predictions a second of a device, in full batches, give its seconds.
"""

import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..core.errors import BenchError, ImageError
from ..forward.cost import measure_work, time_call
from ..forward.forward import Stream
from ..nets.net import Net
from ..store import parts
from ..store.parts import Unit
from .plan import Plan
from .session import Session

PASS_IMAGES = 8  # few, as a whole chunk would be compiled where nets are
SAMPLE_IMAGES = 3  # one to warm up, one to count the work, one to time


@dataclass(frozen=True)
class Needs:
    """What one image on a net needs."""

    forwards: float  # work, in units of one prediction
    seconds: float  # on this device
    bytes: float  # on disk


def compute_min_images(drift: int) -> int:
    """Return how many images a plan must have to be measured: those also scored in fp32 take longer than the others."""
    return max(1, drift) + SAMPLE_IMAGES


def measure_needs(plan: Plan, net: str) -> Needs:
    """Measure the needs of an image on the last images of a plan, which has at least `compute_min_images`.

    Raise ImageError if one of them fails.
    """
    session, units = Session(plan, net), []

    def compute(index: int) -> None:
        for unit in next(session.compute([[index]])):
            if failed := unit.rows.get("failures"):
                raise ImageError(failed[0]["reason"])
            units.append(unit)

    warm_up, counted, timed = plan.indices[-SAMPLE_IMAGES:]
    compute(warm_up)
    flops = measure_work(lambda: compute(counted), plan.device).flops
    seconds = time_call(lambda: compute(timed), plan.device)[1]
    return Needs(flops / _count_prediction_flops(plan, session.net, counted), seconds, _compute_bytes_per_image(units))


def time_passes(plan: Plan, nets: Collection[str]) -> dict[str, float]:
    """Time a pass of PASS_IMAGES perturbed images through each net that is loaded, in seconds, if there are several.

    A net that fails is missing, and all are if the first image cannot be read: the run will say so.
    """
    loaded = [plan.find_loaded_net(net) for net in nets] if len(nets) > 1 else []
    seconds = {}
    for net in filter(None, loaded):
        with suppress(BenchError), net.blame():
            seconds[net.name] = _time_pass(net, _make_images(plan, plan.indices[0], PASS_IMAGES))
    return seconds


def _time_pass(net: Net, images: Tensor) -> float:
    """Return the seconds of a second pass of images (n, 3, h, w): a first one takes longer."""
    net.prepare(images)
    stream = Stream(len(images), lambda start, stop: images[start:stop])
    net.logits(stream)
    return time_call(partial(net.logits, stream), net.device)[1]


def _make_images(plan: Plan, index: int, count: int) -> Tensor:
    """Make random images (count, 3, h, w) of the size of an image of the plan. Raise ImageError if it cannot be read."""
    height, width, _ = plan.images[index].pixels.shape
    return torch.rand(count, 3, height, width, device=plan.device)


def _count_prediction_flops(plan: Plan, net: Net, index: int) -> int:
    """Return the floating-point operations of one prediction on an image of this size."""
    batch = _make_images(plan, index, 1)
    return measure_work(torch.inference_mode()(lambda: net(batch)), plan.device).flops


def _compute_bytes_per_image(units: list[Unit]) -> float:
    """Return the bytes that one more image adds to a part; what a file contains only once does not count."""
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for part, sample in (("one", units[:1]), ("all", units)):
            (Path(folder) / part).mkdir()
            parts.write(Path(folder) / part, part, sample, None)
            sizes.append(sum(file.stat().st_size for file in (Path(folder) / part).rglob("*.parquet")))
    return (sizes[1] - sizes[0]) / (len(units) - 1)
