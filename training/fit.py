"""Fits the fully connected layers of VGG16 once the rest is done: `python -m cambench.training.fit FOLDER`.

The features of a few thousand scenes are computed once. Turned, mirrored and rolled as maps they stand for objects at
other places, so that each place's weights meet every class often enough.

The targets are not smoothed here. Fitted to smoothed ones until they are met, the layers hold a class's logit level: more
evidence for the class then raises it no further, its gradients at the object vanish, and Grad-CAM points elsewhere (on
280 scenes its peak hit the object in 26-60 %, against 95 % now).
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .batches import SMOOTHING, Source
from .bodies import COUNT, Body, vgg16
from .layers import Layers
from .schedule import BOTH, FULL
from .train import APART, SEED, accuracy, optimiser, warmth

SCENES = {160: 2600, 224: 1800}
BATCH = 64
STEPS = 1600
RATE = 1.5e-3
MOVED = 0.75  # share of the steps, the first ones, with moved maps


@torch.no_grad()
def features(body: Body, source: Source, size: int, count: int) -> tuple[Tensor, Tensor]:
    """Maps (count, 512, h, w), bf16, and targets (count, classes)."""
    maps, targets = [], []
    for _ in range(count // 20):
        x, target = source.batch(20, size, FULL, double=0.3)
        with torch.autocast("cpu", torch.bfloat16):
            for stage in body.stages:
                x = stage(x)
        maps.append(x.bfloat16().contiguous())
        targets.append(target)
    return torch.cat(maps), torch.cat(targets)


def moved(maps: Tensor, dice: torch.Generator) -> Tensor:
    """The maps (n, k, h, w) in one of their eight orientations, rolled by the same steps down and across."""
    way = int(torch.randint(8, (), generator=dice))
    maps = maps.transpose(2, 3) if way & 1 else maps
    maps = maps.flip([side for side, bit in ((2, 2), (3, 4)) if way & bit])
    steps = [int(torch.randint(side, (), generator=dice)) for side in maps.shape[2:]]
    return maps.roll(steps, (2, 3))


def sharp(targets: Tensor) -> Tensor:
    """Targets (n, classes) without their smoothing."""
    return ((targets - SMOOTHING / COUNT) / (1 - SMOOTHING)).clamp(0)


def fit(layers: Layers, known: list[tuple[Tensor, Tensor]]) -> None:
    """Batches of every size in turn."""
    dice, running = torch.Generator().manual_seed(SEED), 0.0
    tuner = optimiser(layers, RATE)
    for step in range(1, STEPS + 1):
        for group in tuner.param_groups:
            group["lr"] = max(RATE * warmth(step / STEPS), 1e-6)
        maps, targets = known[step % len(known)]
        rows = torch.randint(len(maps), (BATCH,), generator=dice)
        seen = maps[rows].float()
        loss = functional.cross_entropy(
            layers(moved(seen, dice) if step < MOVED * STEPS else seen), sharp(targets[rows])
        )
        tuner.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(layers.parameters(), 2.0)
        tuner.step()
        running += (loss.item() - running) / min(step, 100)
        if step % 200 == 0:
            print(f"step {step}  loss {running:.3f}", flush=True)


def main(folder: Path) -> None:
    torch.manual_seed(SEED)
    body, saved = vgg16(), torch.load(folder / "vgg16.pt", weights_only=True)
    layers, body.layers = body.layers, None
    body.load_state_dict({name: weight for name, weight in saved["net"].items() if not name.startswith("layers.")})
    assert isinstance(layers, Layers)
    body.eval()
    source = Source(SEED, 10 * APART)
    known = [features(body, source, size, count) for size, count in SCENES.items()]
    fit(layers.train(), known)
    body.layers, body.fit = layers, True
    torch.save(saved | {"net": body.state_dict()}, folder / "vgg16.pt")
    print("after", {size: accuracy(body, size, 200) for size in BOTH}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
