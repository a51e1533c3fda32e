"""Fits the linear layer of vgg16_gap to labelled images: softmax regression on a VGG16's pooled activations."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..core.errors import UsageError
from ..data.labels import find_missing_classes, map_labels
from ..data.types import Image, Images
from ..forward.device import to_batch
from . import load, vgg16_gap
from .net import Net
from .vgg16_gap import Head, HeadMetadata

HELD_OUT = 5  # one image in so many is held out
LEAST = 2 * HELD_OUT  # images
CHUNK = 16  # images in a forward pass
STEPS = 1000  # of the solver, at most


@dataclass(frozen=True)
class Features:
    """A VGG16's pooled activations and predictions for labelled images."""

    pooled: Tensor  # (n, 512), float64: spatial means of the activations
    labels: Tensor  # (n,)
    predicted: Tensor  # (n,): among the VGG16's own classes
    size: int  # pixels: the longer side of the images


def fit(spec: str, images: Images, count: int, device: torch.device, *, dataset: str, seed: int) -> Head:
    """Fit a linear layer to the first `count` images of a data set; a fifth of them, drawn by the seed, is held out.

    `spec` names the VGG16, `dataset` the images in the layer's metadata. Raise UsageError for another net, and for images
    without labels or of a single class.
    """
    vgg16_gap.check_base(spec)
    net = load.load(spec, device, "fp32", vgg16_gap.LAYER)
    features = extract_features(net, images, range(min(count, len(images))))
    classes = images.classes or net.classes
    order = torch.randperm(len(features.labels), generator=torch.Generator().manual_seed(seed))
    held_out, training = order[: len(order) // HELD_OUT], order[len(order) // HELD_OUT :]
    linear = fit_softmax_regression(features.pooled[training], features.labels[training], len(classes))
    with torch.no_grad():
        is_right = linear(features.pooled[held_out].float()).argmax(1) == features.labels[held_out]
    own_classes = None if find_missing_classes(images, net.classes) else map_labels(images, net.classes)
    metadata = HeadMetadata(
        base=spec, fingerprint=net.fingerprint, classes=classes, dataset=dataset, seed=seed, size=features.size,
        fitted=len(training), seen=len(features.labels[training].unique()), held_out=len(held_out), right=int(is_right.sum()),
        base_right=None if own_classes is None else _count_right(features, held_out, own_classes),
    )  # fmt: skip
    return Head(linear, metadata)


@torch.no_grad()
def extract_features(net: Net, images: Images, indices: Sequence[int]) -> Features:
    """Return a net's features of the images with these indices.

    Raise UsageError for fewer than 10 images, an image without a label, several image sizes, or images of a single class.
    """
    if len(indices) < LEAST:
        raise UsageError(
            f"{len(indices)} images are too few to fit and test a linear layer: at least {LEAST} are needed"
        )
    count = len(images.classes or net.classes)
    pooled, labels, predicted, shapes = [], list[int](), [], set()
    for start in range(0, len(indices), CHUNK):
        chunk = [images[index] for index in indices[start : start + CHUNK]]
        labels += [_read_label(image, count) for image in chunk]
        shapes |= {image.pixels.shape for image in chunk}
        if len(shapes) > 1:
            raise UsageError("the images are of several sizes: a linear layer is fitted to images of one size")
        batch = to_batch(chunk, net.device)
        net.prepare(batch)
        activations = net.features(batch)
        pooled.append(activations.mean((2, 3)).cpu().double())
        predicted.append(net.classify(activations).argmax(1).cpu())
    if len(set(labels)) < 2:
        raise UsageError(f"all {len(labels)} images are of one class: take images of at least two classes")
    return Features(torch.cat(pooled), torch.tensor(labels), torch.cat(predicted), max(chunk[0].pixels.shape[:2]))


def fit_softmax_regression(inputs: Tensor, labels: Tensor, classes: int) -> nn.Linear:
    """Return the linear layer (k -> classes) of the softmax regression of labels (n,) on inputs (n, k), float64.

    Each weight has a normal prior of unit variance on standardised inputs; biases have none. The layer takes the inputs as
    they are: the scales are folded into its weights. The loss is convex, so the result does not depend on the start.
    """
    mean, scale = inputs.mean(0), inputs.std(0, correction=0)
    scale = scale.where(scale > 0, 1)  # of a channel that never changes
    standardised = (inputs - mean) / scale
    weight = torch.zeros(classes, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=STEPS, tolerance_grad=1e-7, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        penalty = weight.square().sum() / (2 * len(labels))
        mean_loss = cross_entropy(standardised @ weight.T + bias, labels) + penalty
        mean_loss.backward()
        return mean_loss

    solver.step(loss)  # type: ignore[arg-type]  # a tensor does
    return _make_linear(weight.detach() / scale, bias.detach() - (weight.detach() / scale) @ mean)


def _make_linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    linear.load_state_dict({"weight": weight.float(), "bias": bias.float()}, assign=True)
    return linear.requires_grad_(False)


def _read_label(image: Image, classes: int) -> int:
    """Return an image's label. Raise UsageError if it has none, or one that is no class of the net."""
    if image.label is None:
        raise UsageError(
            f"{image.name} has no label: put images into one folder a class, or list labels in a labels.csv"
        )
    if image.label >= classes:
        raise UsageError(f"{image.name} is of class {image.label}, and the net has the classes 0 to {classes - 1}")
    return image.label


def _count_right(features: Features, held_out: Tensor, own_classes: dict[int, int]) -> int:
    """Count the held-out images that the VGG16 itself classifies correctly; `own_classes` maps labels to its classes."""
    return sum(own_classes[int(features.labels[n])] == int(features.predicted[n]) for n in held_out)
