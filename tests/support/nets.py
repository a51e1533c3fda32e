"""Small nets with seeded random weights, and nets whose class scores can be computed by hand."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from cambench.bench.core.plugins import Plugin
from cambench.bench.data.types import Object
from cambench.bench.forward.forward import Stream
from cambench.bench.nets import layers, split
from cambench.bench.nets.class_maps import PointwiseLinear
from cambench.bench.nets.cut import Cut
from cambench.bench.nets.net import Net
from cambench.bench.nets.preprocessing import PRESETS, Normalise
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.case import Case, Rerun, Score

SIZE = 64
CLASSES = tuple("abcdefghij")

# The code of a net whose number of live channels depends on the image.
MANY_LIVE_CHANNELS = """
import torch
from torch import nn

def tiny():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 40, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 10)]
    layers[0].bias.data -= torch.linspace(0, 0.6, 40)  # so that the number of live channels depends on the image
    return nn.Sequential(*layers)
"""


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval()


LIVE = 64  # channels of the explained layer that are not constant; Score-CAM takes a forward pass for each


def _thinned(name: str, module: nn.Module, channels: int) -> nn.Module:
    """Set all but the first `channels` channels of the explained layer to 0, so that Score-CAM is fast."""
    parts = dict(module.named_modules())
    for layer, live in {
        "resnet18": {"layer4.0.bn2": channels, "layer4.0.downsample.1": channels, "layer4.1.bn2": channels},
        "vgg16": {"features.28": channels},
        "squeezenet1_1": {"features.12.expand1x1": channels // 2, "features.12.expand3x3": channels // 2},
    }[name].items():
        for parameter in parts[layer].parameters():
            parameter.data[live:] = 0
    return module


def architecture(name: str, channels: int = LIVE) -> nn.Module:
    """torchvision's net with seeded random weights, and logits scaled so that probabilities are neither 0 nor 1."""
    module = _thinned(name, _seeded(lambda: torchvision.models.get_model(name, num_classes=len(CLASSES))), channels)
    with torch.no_grad():
        logits = module(torch.rand(8, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1)) * 4 - 2)
        spread = (logits - logits.mean(1, keepdim=True)).std().clamp(min=1e-3)
        last = [part for part in module.modules() if isinstance(part, nn.Linear | nn.Conv2d)][-1]
        last.weight /= spread
    return module


def cut_net(name: str, module: nn.Module, precision: str = "fp32") -> Net:
    split_net = split.split_net(module.requires_grad_(False), PRESETS["imagenet"], None, layers.find_usual_layer(name))
    return Net(name, split_net.cut, CLASSES, precision)


def _body() -> nn.Sequential:
    return nn.Sequential(
        Normalise(), nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU()
    )  # (n, 3, 64, 64) -> (n, 8, 16, 16)


def tiny_pooled(precision: str = "fp32") -> Net:
    """Two convolutions, global average pooling, one linear layer."""
    whole = _seeded(
        lambda: nn.Sequential(_body(), nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)))
    )
    features, classify = whole.children()
    assert isinstance(features, nn.Sequential) and isinstance(classify, nn.Sequential)
    linear = classify[-1]
    assert isinstance(linear, nn.Linear)
    linear.weight.data *= 10
    return Net("tiny_pooled", Cut(_line(features, classify), "4", PointwiseLinear(linear)), CLASSES, precision)


def tiny_vgg(precision: str = "fp32") -> Net:
    """Two convolutions and two fully connected layers, so without class maps."""
    head = (nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 10))
    whole = _seeded(lambda: nn.Sequential(_body(), nn.Sequential(*(_reset(layer) for layer in head))))
    features, classify = whole.children()
    assert isinstance(features, nn.Sequential) and isinstance(classify, nn.Sequential)
    last = classify[-1]
    assert isinstance(last, nn.Linear)
    last.weight.data *= 10
    cut = Cut(_line(features, classify), "4", why_no_class_maps="fully connected layers follow")
    return Net("tiny_vgg", cut, CLASSES, precision)


def _line(features: nn.Sequential, classify: nn.Sequential) -> dict[str, nn.Module]:
    return {str(number): module for number, module in enumerate([*features, *classify])}


def _reset(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.Linear):
        layer.reset_parameters()
    return layer


def random_images(count: int, size: int = SIZE, seed: int = 0) -> Tensor:
    """Images in [0, 1] with coarse and fine structure, all different."""
    generator = torch.Generator().manual_seed(seed)
    coarse = nn.functional.interpolate(torch.rand(count, 3, 5, 5, generator=generator), (size, size), mode="bilinear")
    return (0.8 * coarse + 0.2 * torch.rand(count, 3, size, size, generator=generator)).clamp(0, 1)


def random_maps(count: int, size: int = SIZE, seed: int = 0) -> Tensor:
    """Maps (count, size, size) in [0, 1], in which all values differ."""
    generator = torch.Generator().manual_seed(seed)
    pixels = size * size
    ranks = torch.stack([torch.randperm(pixels, generator=generator) for _ in range(count)])
    return (ranks / (pixels - 1)).view(count, size, size)


class FakeNet:
    """The part of a net that scoring uses. A function of the images gives the score of class 0; the images are recorded."""

    def __init__(self, score: Callable[[Tensor], Tensor]) -> None:
        self.score = score
        self.images: list[Tensor] = []

    def scores(self, stream: Stream) -> Tensor:
        images = stream.make(0, stream.count)
        self.images.extend(images)
        first = self.score(images).double()
        return torch.stack([first, 1 - first], 1)

    def logits(self, stream: Stream) -> Tensor:
        return self.scores(stream).log()


def case_of(
    image: Tensor, map_: Tensor, target: int = 0, objects: tuple[Object, ...] = (), method: Rerun | None = None
) -> Case:
    """A case whose map is already resized and normalised."""
    values = map_.cpu().numpy()
    return Case(values, target, objects, image, values, method)


def scores_of(
    net: Any,
    image: Tensor,
    target: int,
    maps: Tensor,
    objects: tuple[Object, ...],
    metrics: Sequence[Plugin],
    method: Rerun | None = None,
) -> list[list[Score]]:
    """The scores of maps (n, h, w) of an image (3, h, w)."""
    shared: dict[Hashable, Any] = {}
    cases = [replace(case_of(image, map_, target, objects, method), shared=shared) for map_ in maps]
    return scoring.score(net, cases, metrics)


def brightness(images: Tensor) -> Tensor:
    """The sum over pixels of the mean colour: linear, and 1 for an image whose pixels sum to 1."""
    return images.mean(1).sum((1, 2))


def close(actual: Tensor, expected: Tensor) -> None:
    """Raise AssertionError if maps differ by more than rounding, or if the expected maps are 0."""
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def gradients(net: Net, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The activations, and the gradients of the targets' logits with respect to them."""
    activations = net.features(images).clone().requires_grad_()
    net.classify(activations)[torch.arange(len(images)), targets].sum().backward()
    assert activations.grad is not None
    return activations.detach(), activations.grad
