"""What a run would take: the work, the seconds and the bytes of an image, measured on a few, times the images.

Work is all that an image takes, its maps and their scores, in units of one prediction: floating-point operations, the same on
every device. So a device's predictions a second, in full batches, tell its seconds.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from ..core.errors import UsageError
from ..forward.cost import timed, work
from ..store import run as store
from ..store.run import Unit
from .plan import Plan
from .runner import tuned
from .session import Ready

SAMPLE = 3  # images: one to warm up, one to count, one to time


@dataclass(frozen=True)
class Needs:
    """What an image takes on a net: work in predictions, seconds on this device, bytes on disk."""

    forwards: float
    seconds: float
    bytes: float


def least(drift: int) -> int:
    """How many images a plan must have to be measured: those that are also scored in fp32 are not like the others."""
    return max(1, drift) + SAMPLE


def needs(plan: Plan, net: str) -> Needs:
    """Measured on the last images of a plan that has as many as `least` says. Raises UsageError for one that fails."""
    ready, made = Ready(plan, net), []

    def take(index: int) -> None:
        for unit in next(ready.units([[index]])):
            if failed := unit.rows.get("failures"):
                raise UsageError(failed[0]["reason"])
            made.append(unit)

    warm, counted, clocked = plan.chosen[-SAMPLE:]
    take(warm)
    flops = work(lambda: take(counted), plan.device).flops
    seconds = timed(lambda: take(clocked), plan.device)[1]
    return Needs(flops / _prediction(plan, net, counted), seconds, _bytes(made))


def _prediction(plan: Plan, net: str, index: int) -> int:
    """The floating-point operations of one."""
    height, width, _ = plan.images[index].pixels.shape
    batch, loaded = torch.rand(1, 3, height, width, device=plan.device), tuned(plan, net)
    return work(torch.inference_mode()(lambda: loaded(batch)), plan.device).flops


def _bytes(units: list[Unit]) -> float:
    """Of one more image in a part: what stands once in a file is not the image's."""
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for part, some in (("one", units[:1]), ("all", units)):
            (Path(folder) / part).mkdir()
            store.write(Path(folder) / part, part, some)
            sizes.append(sum(file.stat().st_size for file in (Path(folder) / part).rglob("*.parquet")))
    return (sizes[1] - sizes[0]) / (len(units) - 1)
