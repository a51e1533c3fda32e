"""Fits the fully connected layers of VGG16 once the rest is done: `python -m cambench.bench.training.fit FOLDER`.

The features of a few thousand scenes are computed once. Turned and mirrored as maps they stand for objects at other
places, so that each place's weights meet every class often enough.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .batches import Source
from .bodies import Body, vgg16
from .layers import Layers
from .schedule import BOTH, FULL
from .train import APART, SEED, accuracy, optimiser, warmth

SCENES = {160: 2600, 224: 1800}
BATCH = 64
STEPS = 2400
RATE = 1.5e-3
TURNED = 0.75  # share of the steps, the first ones, with turned maps


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


def turned(maps: Tensor, way: int) -> Tensor:
    """One of a map's eight orientations."""
    maps = maps.transpose(2, 3) if way & 1 else maps
    return maps.flip([side for side, bit in ((2, 2), (3, 4)) if way & bit])


def fit(layers: Layers, known: list[tuple[Tensor, Tensor]]) -> None:
    """Batches of every size in turn."""
    dice, running = torch.Generator().manual_seed(SEED), 0.0
    tuner = optimiser(layers, RATE)
    for step in range(1, STEPS + 1):
        for group in tuner.param_groups:
            group["lr"] = max(RATE * warmth(step / STEPS), 1e-6)
        maps, targets = known[step % len(known)]
        rows = torch.randint(len(maps), (BATCH,), generator=dice)
        way = int(torch.randint(8, (), generator=dice)) if step < TURNED * STEPS else 0
        loss = functional.cross_entropy(layers(turned(maps[rows].float(), way)), targets[rows])
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
    body.load_state_dict(saved["net"], strict=False)  # the layers may be new
    assert isinstance(body.layers, Layers)
    body.fit = True
    print("before", {size: accuracy(body, size, 200) for size in BOTH}, flush=True)
    body.eval()
    source = Source(SEED, 10 * APART)
    known = [features(body, source, size, count) for size, count in SCENES.items()]
    fit(body.layers.train(), known)
    torch.save(saved | {"net": body.state_dict()}, folder / "vgg16.pt")
    print("after", {size: accuracy(body, size, 200) for size in BOTH}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
