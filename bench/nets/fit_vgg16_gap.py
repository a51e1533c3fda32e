"""The linear layer of vgg16_gap, fitted to labelled images: softmax regression on the pooled activations of a VGG16."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..core.errors import UsageError
from ..data.labels import labels_in, unknown
from ..data.types import Image, Images
from ..forward.device import batched
from . import load, vgg16_gap
from .net import Net
from .vgg16_gap import About, Head

HELD_OUT = 5  # one image in so many is not fitted on
LEAST = 2 * HELD_OUT  # images
CHUNK = 16  # images in a pass
STEPS = 1000


@dataclass(frozen=True)
class Seen:
    """Labelled images as a VGG16 sees them."""

    pooled: Tensor  # (n, 512), float64: the means of its activations
    labels: Tensor  # (n,)
    predicted: Tensor  # (n,): its own classes
    size: int  # pixels


def fit(spec: str, dataset: str, images: Images, count: int, seed: int, device: torch.device) -> Head:
    """A linear layer fitted to the first images of a data set; a fifth of them, drawn by the seed, is held out to try it.

    Raises UsageError for what is no VGG16, and for images that have no labels, or labels of one class alone.
    """
    vgg16_gap.check(spec)
    net = load.load(spec, device, "fp32", vgg16_gap.LAYER)
    found = seen(net, images, range(min(count, len(images))))
    classes = images.classes or net.classes
    order = torch.randperm(len(found.labels), generator=torch.Generator().manual_seed(seed))
    held, kept = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    linear = regression(found.pooled[kept], found.labels[kept], len(classes))
    with torch.no_grad():
        right = linear(found.pooled[held].float()).argmax(1) == found.labels[held]
    about = About(
        base=spec, fingerprint=net.fingerprint, classes=classes, dataset=dataset, seed=seed, size=found.size,
        fitted=len(kept), seen=len(found.labels[kept].unique()), held_out=len(held), right=int(right.sum()),
        base_right=None if unknown(images, net.classes) else _right(found, held, labels_in(images, net.classes)),
    )  # fmt: skip
    return Head(linear, about)


@torch.no_grad()
def seen(net: Net, images: Images, numbers: Sequence[int]) -> Seen:
    """The images of these numbers on a net. Raises UsageError for one without a label, and where there are too few."""
    if len(numbers) < LEAST:
        raise UsageError(f"{len(numbers)} images are too few to fit and try a linear layer: it takes {LEAST}")
    count = len(images.classes or net.classes)
    pooled, labels, predicted = [], list[int](), []
    for start in range(0, len(numbers), CHUNK):
        shown = [images[number] for number in numbers[start : start + CHUNK]]
        labels += [_label(image, count) for image in shown]
        if len({image.pixels.shape for image in shown}) > 1:
            raise UsageError("the images are of several sizes: a linear layer is fitted to images of one")
        batch = torch.cat([batched(image, net.device) for image in shown])
        net.prepare(batch)
        activations = net.features(batch)
        pooled.append(activations.mean((2, 3)).double().cpu())
        predicted.append(net.classify(activations).argmax(1).cpu())
    if len(set(labels)) < 2:
        raise UsageError(f"all {len(labels)} images are of one class: take images of two classes at least")
    return Seen(torch.cat(pooled), torch.tensor(labels), torch.cat(predicted), max(shown[0].pixels.shape[:2]))


def regression(inputs: Tensor, labels: Tensor, classes: int) -> nn.Linear:
    """The linear layer (k -> classes) of the likeliest classes of inputs (n, k), each weight normally distributed a priori.

    The prior has unit variance for inputs of unit variance: scales are taken out first, and put into the weights after. The
    biases are free. What is minimised is convex, so that one solution is found, whatever the start.
    """
    mean, scale = inputs.mean(0), inputs.std(0, correction=0)
    scale = scale.where(scale > 0, 1)  # of a channel that never changes
    standard = (inputs - mean) / scale
    weight = torch.zeros(classes, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        penalty = weight.square().sum() / (2 * len(labels))
        mean_loss = cross_entropy(standard @ weight.T + bias, labels) + penalty
        mean_loss.backward()
        return mean_loss

    solver.step(loss)  # type: ignore[arg-type]  # a tensor does
    return _layer(weight.detach() / scale, bias.detach() - (weight.detach() / scale) @ mean)


def _layer(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.load_state_dict({"weight": weight.float(), "bias": bias.float()}, assign=True)
    return linear.requires_grad_(False)


def _label(image: Image, classes: int) -> int:
    if image.label is None:
        raise UsageError(f"{image.name} has no label: put images into a folder a class, or name theirs in a labels.csv")
    if image.label >= classes:
        raise UsageError(f"{image.name} is of class {image.label}, and the net has the classes 0 to {classes - 1}")
    return image.label


def _right(found: Seen, held: Tensor, own: dict[int, int]) -> int:
    """How many of the images held out the VGG16 itself gets right, its classes being those of the labels."""
    return sum(own[int(found.labels[n])] == int(found.predicted[n]) for n in held)
