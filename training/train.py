"""Train one of the shipped nets on one thread: `python -m cambench.training.train NET FOLDER [CYCLE]`.

The net is saved to FOLDER/NET.pt after every stage; `export` makes the shipped file from it.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..datasets.scenes import load
from .batches import Source, normalise_pixels
from .bodies import BODIES, Body
from .schedule import SCHEDULES, Cycle

SEED = 0
WARM_UP = 0.12  # the share of a cycle in which the learning rate rises
APART = 1_000_000  # the distance between the first scenes of two cycles, so that no scene is seen twice
HELP = 0.3  # the weight of the helper heads' loss


def make_optimiser(net: nn.Module, rate: float) -> torch.optim.AdamW:
    """Make AdamW with weight decay on matrices and kernels only."""
    trainable = [p for p in net.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in trainable if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def compute_rate_factor(progress: float) -> float:
    """Return the learning rate relative to its peak: a linear rise, then a cosine.

    `progress` in [0, 1] is that of the cycle.
    """
    return min(progress / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * max(0.0, (progress - WARM_UP) / (1 - WARM_UP))))


def compute_loss(net: Body, images: Tensor, targets: Tensor) -> Tensor:
    """Compute the cross-entropy of the heads plus the weighted one of the two helper heads."""
    with torch.autocast("cpu", torch.bfloat16):
        *heads, helper1, helper2 = [functional.cross_entropy(scores.float(), targets) for scores in net(images)]
    return torch.stack(heads).sum() + HELP * (helper1 + helper2)


def run_stage(net: Body, optimiser: torch.optim.AdamW, source: Source, cycle: Cycle, index: int) -> None:
    """Run the stage at `index` of a cycle."""
    stage = cycle.stages[index]
    total = sum(stage.images for stage in cycle.stages)
    before = sum(stage.images for stage in cycle.stages[:index])
    start, running = time.time(), 0.0
    for step in range(1, stage.images // stage.batch + 1):
        progress = (before + step * stage.batch) / total
        for group in optimiser.param_groups:
            group["lr"] = max(cycle.rate * compute_rate_factor(progress), 1e-6)
        set_slope(net, max(0.0, cycle.slopes[0] + (cycle.slopes[1] - cycle.slopes[0]) * progress))
        size = stage.sizes[step % len(stage.sizes)]
        loss = take_step(net, optimiser, *source.draw_batch(stage.batch, size, stage.plan, stage.double))
        running += (loss - running) / min(step, 50)
        if step % 50 == 0:
            seen = step * stage.batch
            speed = seen / (time.time() - start)
            print(f"{stage.sizes} px {seen:6d} images  loss {running:.3f}  {speed:.0f}/s", flush=True)


def take_step(net: Body, optimiser: torch.optim.AdamW, images: Tensor, targets: Tensor) -> float:
    """Take one step of the optimiser; return the loss before it."""
    loss = compute_loss(net, images.to(memory_format=torch.channels_last), targets)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_([p for p in net.parameters() if p.grad is not None], 2.0)
    optimiser.step()
    return loss.item()


def set_slope(net: Body, slope: float) -> None:
    """Set the slope below zero of SqueezeNet's last ReLU."""
    for module in net.head.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = slope


@torch.no_grad()
def compute_accuracy(net: Body, size: int, count: int = 400) -> float:
    """Compute the top-1 accuracy on scenes of the validation split with one object."""
    net.eval()
    scenes, correct = load(size=size, split="val", objects="single"), 0
    for first in range(0, count, 40):
        group = [scenes[k] for k in range(first, first + 40)]
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(normalise_pixels(np.stack([image.pixels for image in group])))[0]
        correct += sum(int(best) == image.label for best, image in zip(scores.argmax(1), group, strict=True))
    net.train()
    return correct / count


def train(name: str, folder: Path, first: int) -> None:
    """Run the schedule of a net from cycle `first` on. Cycles after 0 start from the net saved in the folder."""
    torch.manual_seed(SEED)
    net, seconds = BODIES[name]().to(memory_format=torch.channels_last), 0.0
    if first:
        saved = torch.load(folder / f"{name}.pt", weights_only=True)
        net.load_state_dict(saved["net"], strict=False)
        seconds = saved["seconds"]
    start = time.process_time() - seconds
    net.train()
    for number, cycle in list(enumerate(SCHEDULES[name]))[first:]:
        source = Source(SEED, number * APART)
        net.freeze(cycle.frozen)
        net.fit = cycle.fit
        optimiser = make_optimiser(net, cycle.rate)
        for index, stage in enumerate(cycle.stages):
            run_stage(net, optimiser, source, cycle, index)
            seconds = time.process_time() - start
            torch.save({"net": net.state_dict(), "seconds": seconds}, folder / f"{name}.pt")
            accuracies = {size: compute_accuracy(net, size) for size in (160, 224)}
            print(f"cycle {number}, {stage.sizes} px: {seconds:.0f} s, {accuracies}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    train(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
