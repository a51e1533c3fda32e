"""Trains one of the shipped nets on one thread: `python -m cambench.training.train NET FOLDER [CYCLE]`.

The net as trained goes to FOLDER/NET.pt after every stage; `export` makes the shipped file of it.
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
from .batches import Source, prepared
from .bodies import BODIES, Body
from .schedule import SCHEDULES, Cycle, Stage

SEED = 0
WARM_UP = 0.12  # share of a cycle
APART = 1_000_000  # scenes between the beginnings of two cycles
HELP = 0.3  # weight of the helper heads' loss


def optimiser(net: nn.Module, rate: float) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices alone."""
    learning = [p for p in net.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in learning if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def warmth(done: float) -> float:
    """The learning rate's share of its peak, `done` of the way through a cycle."""
    return min(done / WARM_UP, 1.0) * 0.5 * (1 + math.cos(math.pi * max(0.0, (done - WARM_UP) / (1 - WARM_UP))))


def loss_of(net: Body, images: Tensor, targets: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        *heads, early, middle = [functional.cross_entropy(scores.float(), targets) for scores in net(images)]
    return torch.stack(heads).sum() + HELP * (early + middle)


def run_stage(net: Body, tuner: torch.optim.AdamW, source: Source, cycle: Cycle, stage: Stage, before: int) -> None:
    """One stage of a cycle, of which `before` images have been seen."""
    total = sum(each.images for each in cycle.stages)
    start, running = time.time(), 0.0
    for step in range(1, stage.images // stage.batch + 1):
        done = (before + step * stage.batch) / total
        for group in tuner.param_groups:
            group["lr"] = max(cycle.rate * warmth(done), 1e-6)
        bend(net, max(0.0, cycle.slopes[0] + (cycle.slopes[1] - cycle.slopes[0]) * done))
        size = stage.sizes[step % len(stage.sizes)]
        loss = learn(net, tuner, *source.batch(stage.batch, size, stage.plan, stage.double))
        running += (loss - running) / min(step, 50)
        if step % 50 == 0:
            seen = step * stage.batch
            speed = seen / (time.time() - start)
            print(f"{stage.sizes} px {seen:6d} images  loss {running:.3f}  {speed:.0f}/s", flush=True)


def learn(net: Body, tuner: torch.optim.AdamW, images: Tensor, targets: Tensor) -> float:
    """One step; gives back the loss before it."""
    loss = loss_of(net, images.to(memory_format=torch.channels_last), targets)
    tuner.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_([p for p in net.parameters() if p.grad is not None], 2.0)
    tuner.step()
    return loss.item()


def bend(net: Body, slope: float) -> None:
    """Set the slope below zero of SqueezeNet's last ReLU."""
    for module in net.head.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = slope


@torch.no_grad()
def accuracy(net: Body, size: int, count: int = 400) -> float:
    """Top-1 on scenes of the validation split with one object."""
    net.eval()
    scenes, right = load(size=size, split="val", objects="single"), 0
    for first in range(0, count, 40):
        group = [scenes[k] for k in range(first, first + 40)]
        with torch.autocast("cpu", torch.bfloat16):
            scores = net(prepared(np.stack([image.pixels for image in group])))[0]
        right += sum(int(best) == image.label for best, image in zip(scores.argmax(1), group, strict=True))
    net.train()
    return right / count


def train(name: str, folder: Path, first: int) -> None:
    """Run the schedule of a net from cycle `first` on; from a later one than 0, with the net in the folder."""
    torch.manual_seed(SEED)
    net, seconds = BODIES[name]().to(memory_format=torch.channels_last), 0.0
    if first:
        saved = torch.load(folder / f"{name}.pt", weights_only=True)
        net.load_state_dict(saved["net"], strict=False)
        seconds = saved["seconds"]
    start = time.process_time() - seconds
    net.train()
    for number, cycle in list(enumerate(SCHEDULES[name]))[first:]:
        source, before = Source(SEED, number * APART), 0
        net.freeze(cycle.frozen)
        net.fit = cycle.fit
        tuner = optimiser(net, cycle.rate)
        for stage in cycle.stages:
            run_stage(net, tuner, source, cycle, stage, before)
            before += stage.images
            seconds = time.process_time() - start
            torch.save({"net": net.state_dict(), "seconds": seconds}, folder / f"{name}.pt")
            reached = {size: accuracy(net, size) for size in (160, 224)}
            print(f"cycle {number}, {stage.sizes} px: {seconds:.0f} s, {reached}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    train(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
