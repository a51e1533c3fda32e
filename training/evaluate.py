"""Measure the shipped nets on unseen scenes: `python -m cambench.training.evaluate [--fp32] [NET ...]`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms.functional import gaussian_blur

from ..bench.nets import quantised
from ..datasets._synthetic.shapes import CLASSES
from ..datasets.scenes import load
from .batches import normalise_pixels

WEIGHTS = Path(__file__).parents[1] / "bench" / "nets" / "weights"
NETS = ("resnet18", "vgg16", "squeezenet1_1")
SIZES = (160, 224)
BATCH = 50


@dataclass(frozen=True)
class Accuracy:
    """Shares of the images, and means of softmax scores."""

    top1: float  # one object: its class has the highest score
    both: float  # two objects: their classes have the two highest scores
    p_target: float  # the score of the one object's class
    p_blurred: float  # the same, on images blurred by a Gaussian of a tenth of their width


def load_shipped(name: str) -> nn.Module:
    """Load torchvision's net with the shipped weights."""
    net: nn.Module = models.get_model(name, num_classes=len(CLASSES))
    net.load_state_dict(quantised.load(WEIGHTS / f"{name}.safetensors"))
    return net.eval().to(memory_format=torch.channels_last)


def draw_batches(size: int, objects: str, count: int, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield test images (n, 3, size, size) and the classes of their objects (n, 1 or 2), the label first."""
    scenes = load(size=size, split="test", objects=objects, seed=seed)
    for first in range(0, count, BATCH):
        group = [scenes[k] for k in range(first, min(first + BATCH, count))]
        labels = torch.tensor([[shape.label for shape in image.objects] for image in group])
        yield normalise_pixels(np.stack([image.pixels for image in group])), labels


def compute_scores(net: nn.Module, images: Tensor, exact: bool) -> Tensor:
    """Compute softmax scores (n, classes), in fp32 if `exact`, else in bf16."""
    with torch.autocast("cpu", torch.bfloat16, enabled=not exact):
        scores: Tensor = net(images.contiguous(memory_format=torch.channels_last)).float().softmax(1)
    return scores


def blur(images: Tensor) -> Tensor:
    """Blur images by a Gaussian of a tenth of their width."""
    sigma = images.shape[-1] / 10
    blurred: Tensor = gaussian_blur(images, [2 * int(2.5 * sigma) + 1] * 2, [sigma] * 2)
    return blurred


@torch.no_grad()
def measure(name: str, size: int, count: int = 3000, exact: bool = False) -> Accuracy:
    """Measure on `count` images with one object, a third as many with two, and about a tenth as many blurred.

    The net runs in fp32 if `exact`, else in bf16.
    """
    net = load_shipped(name)
    top1, both, p_target, p_blurred = [], [], [], []
    for number, (images, labels) in enumerate(draw_batches(size, "single", count)):
        scores = compute_scores(net, images, exact)
        top1.append(scores.argmax(1) == labels[:, 0])
        p_target.append(scores.gather(1, labels))
        if number <= count // BATCH // 10:
            p_blurred.append(compute_scores(net, blur(images), exact).gather(1, labels))
    for images, labels in draw_batches(size, "double", count // 3, seed=1):
        best = compute_scores(net, images, exact).topk(2).indices
        both.append((best.sort(1).values == labels.sort(1).values).all(1))
    return Accuracy(*(float(torch.cat(part).float().mean()) for part in (top1, both, p_target, p_blurred)))


def main() -> None:
    """Print the accuracy of the nets at each image size."""
    names = [word for word in sys.argv[1:] if word != "--fp32"] or NETS
    print(f"{'net':14} {'px':>4} {'top-1':>7} {'both':>7} {'p':>6} {'p blurred':>10}")
    for name in names:
        for size in SIZES:
            row = measure(name, size, exact="--fp32" in sys.argv)
            print(f"{name:14} {size:4} {row.top1:7.4f} {row.both:7.4f} {row.p_target:6.3f} {row.p_blurred:10.3f}")


if __name__ == "__main__":
    main()
