"""Fit the fully connected layers of VGG16, after its convolutions are trained: `python -m cambench.training.fit FOLDER`.

The features of a few thousand scenes are computed once. Transposed, flipped and rolled, the same feature maps show objects at
other positions, so that the weights of each position see every class often enough.

The targets are not smoothed here. Layers that fit smoothed targets keep the logit of a class constant: more evidence for the
class does not raise it, the gradients at the object vanish, and Grad-CAM points elsewhere (on 280 scenes its peak was on the
object in 26-60 %, compared with 95 % now).
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
from .train import APART, SEED, compute_accuracy, compute_rate_factor, make_optimiser

SCENES = {160: 2600, 224: 1800}
BATCH = 64
STEPS = 1600
RATE = 1.5e-3
MOVED = 0.75  # the share of the steps, from the first on, that move the maps


@torch.no_grad()
def compute_features(body: Body, source: Source, size: int, count: int) -> tuple[Tensor, Tensor]:
    """Compute feature maps (count, 512, h, w), bf16, and targets (count, classes)."""
    maps, targets = [], []
    for _ in range(count // 20):
        x, target = source.draw_batch(20, size, FULL, double=0.3)
        with torch.autocast("cpu", torch.bfloat16):
            for stage in body.stages:
                x = stage(x)
        maps.append(x.bfloat16().contiguous())
        targets.append(target)
    return torch.cat(maps), torch.cat(targets)


def move(maps: Tensor, rng: torch.Generator) -> Tensor:
    """Bring maps (n, k, h, w) into one of eight orientations and roll them; all maps move alike."""
    orientation = int(torch.randint(8, (), generator=rng))
    maps = maps.transpose(2, 3) if orientation & 1 else maps
    maps = maps.flip([dimension for dimension, bit in ((2, 2), (3, 4)) if orientation & bit])
    shifts = [int(torch.randint(side, (), generator=rng)) for side in maps.shape[2:]]
    return maps.roll(shifts, (2, 3))


def remove_smoothing(targets: Tensor) -> Tensor:
    """Undo the label smoothing of targets (n, classes)."""
    return ((targets - SMOOTHING / COUNT) / (1 - SMOOTHING)).clamp(0)


def fit(layers: Layers, data: list[tuple[Tensor, Tensor]]) -> None:
    """Train the layers on the maps and targets of each image size, one batch of each in turn."""
    rng, running = torch.Generator().manual_seed(SEED), 0.0
    optimiser = make_optimiser(layers, RATE)
    for step in range(1, STEPS + 1):
        for group in optimiser.param_groups:
            group["lr"] = max(RATE * compute_rate_factor(step / STEPS), 1e-6)
        maps, targets = data[step % len(data)]
        rows = torch.randint(len(maps), (BATCH,), generator=rng)
        batch = maps[rows].float()
        batch = move(batch, rng) if step < MOVED * STEPS else batch
        loss = functional.cross_entropy(layers(batch), remove_smoothing(targets[rows]))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(layers.parameters(), 2.0)
        optimiser.step()
        running += (loss.item() - running) / min(step, 100)
        if step % 200 == 0:
            print(f"step {step}  loss {running:.3f}", flush=True)


def main(folder: Path) -> None:
    """Fit the layers of the trained VGG16 in a folder, and write them into its file."""
    torch.manual_seed(SEED)
    body, saved = vgg16(), torch.load(folder / "vgg16.pt", weights_only=True)
    layers, body.layers = body.layers, None
    body.load_state_dict({name: weight for name, weight in saved["net"].items() if not name.startswith("layers.")})
    assert isinstance(layers, Layers)
    body.eval()
    source = Source(SEED, 10 * APART)
    data = [compute_features(body, source, size, count) for size, count in SCENES.items()]
    fit(layers.train(), data)
    body.layers, body.fit = layers, True
    torch.save(saved | {"net": body.state_dict()}, folder / "vgg16.pt")
    print("accuracy after the fit:", {size: compute_accuracy(body, size, 200) for size in BOTH}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
