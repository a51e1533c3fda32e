"""The architectures, each a line of modules with one cut: net(image) == net.classify(net.features(image)).

Images are in [0, 1]; normalisation is the first layer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from .errors import UsageError, nearest
from .images import MEAN, STD


class Normalise(nn.Module):
    """Images in [0, 1] to the colours that the net was trained on."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


class Everywhere(nn.Module):
    """A linear layer behind global pooling, applied at every place instead, without its bias: class maps."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, activations: Tensor) -> Tensor:
        """(n, k, h, w) -> (n, classes, h, w)"""
        return conv2d(activations, self.linear.weight[:, :, None, None])


@dataclass(frozen=True)
class Cut:
    """A net as a line of modules, the one whose output the methods explain, and its class maps if it has any."""

    line: dict[str, nn.Module]  # in order, normalisation first; names as in torchvision's named_modules()
    layer: str
    class_maps: nn.Module | None = None  # activations -> (n, classes, h, w), before pooling
    no_class_maps: str = ""  # the reason where there are none

    def at(self, layer: str | None) -> "Cut":
        """The same line cut at another layer. Raises UsageError where the line has none of that name."""
        if layer is None or layer == self.layer:
            return self
        if layer not in self.line:
            raise UsageError(f"there is no layer {layer!r} to cut at: {nearest(layer, self.line)}")
        return Cut(self.line, layer, None, f"class maps are defined at {self.layer}")


def _resnet18(net: nn.Module) -> Cut:
    """ResNet18 at layer4: global pooling and one linear layer follow, so CAM applies."""
    n: Any = net
    children = dict(n.named_children())
    fc = children.pop("fc")
    return Cut({"": Normalise()} | children | {"flatten": nn.Flatten(), "fc": fc}, "layer4", Everywhere(fc))


def _vgg16(net: nn.Module) -> Cut:
    """VGG16 at features.29, the last convolution's ReLU: three fully connected layers follow, so CAM does not apply."""
    n: Any = net
    line = {"": Normalise()} | {f"features.{k}": module for k, module in n.features.named_children()}
    line |= {"avgpool": n.avgpool, "flatten": nn.Flatten(), "classifier": n.classifier}
    return Cut(
        line, "features.29", no_class_maps="no global pooling: three fully connected layers follow the last convolution"
    )


def _squeezenet1_1(net: nn.Module) -> Cut:
    """SqueezeNet 1.1 at features.12, the last Fire module: class maps and global pooling follow, so CAM applies."""
    n: Any = net
    line = {"": Normalise()} | {f"features.{k}": module for k, module in n.features.named_children()}
    line |= {f"classifier.{k}": module for k, module in n.classifier.named_children()} | {"flatten": nn.Flatten()}
    # dropout (off), 1x1 convolution, ReLU: what the average pooling pools
    return Cut(line, "features.12", class_maps=n.classifier[:3])


CUTS: dict[str, Callable[[nn.Module], Cut]] = {"squeezenet1_1": _squeezenet1_1, "resnet18": _resnet18, "vgg16": _vgg16}
