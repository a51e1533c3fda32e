"""Write the shipped file of a trained net: `python -m cambench.training.export NET FOLDER`.

Batch norm is folded into the convolutions if torchvision's net has none, and VGG16 gets its fitted layers.
"""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from ..bench.nets.quantised import Factors, save
from ..datasets import scenes
from ..datasets._synthetic.shapes import CLASSES
from .batches import MEAN, STD
from .bodies import BODIES, Body
from .evaluate import SIZES, WEIGHTS, measure
from .layers import Layers
from .schedule import SCHEDULES
from .train import SEED


def fold(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return the weight and bias of a convolution that equals this convolution followed by its batch norm."""
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    gain = norm.weight / (variance + norm.eps).sqrt()
    bias = torch.zeros_like(mean) if convolution.bias is None else convolution.bias
    return convolution.weight * gain.view(-1, 1, 1, 1), norm.bias + (bias - mean) * gain


def load_trained(name: str, folder: Path) -> Body:
    """Load a net that `train` wrote, in eval mode."""
    body = BODIES[name]()
    body.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True)["net"])
    return body.eval()


def make_resnet18_state(folder: Path) -> dict[str, Tensor]:
    """Return the weights of the trained ResNet18 by torchvision's names."""
    body = load_trained("resnet18", folder)
    stem, *others = body.parts
    net = models.resnet18(num_classes=len(CLASSES))
    net.conv1, net.bn1, net.layer1 = stem[0], stem[1], stem[4]
    net.layer2, net.layer3, net.layer4 = others
    net.fc = body.head[2]
    return dict(net.state_dict())


def make_squeezenet1_1_state(folder: Path) -> dict[str, Tensor]:
    """Return the weights of the trained SqueezeNet by torchvision's names, with batch norm folded in."""
    body = load_trained("squeezenet1_1", folder)
    net = models.squeezenet1_1(num_classes=len(CLASSES))
    pairs = [m for stage in body.stages for m in stage.modules() if isinstance(m, nn.Sequential)]
    pairs = [pair for pair in pairs if len(pair) == 2 and isinstance(pair[1], nn.BatchNorm2d)]
    fill(net.features, [fold(pair[0], pair[1]) for pair in pairs])
    net.classifier[1].load_state_dict(body.head[0].state_dict())
    return dict(net.state_dict())


def make_vgg16_state(folder: Path) -> dict[str, Tensor | Factors]:
    """Return the weights of VGG16's convolutions, with batch norm folded in, and of its fitted layers."""
    body = load_trained("vgg16", folder)
    layers = [layer for stage in body.parts for layer in stage]
    indices = [k for k, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    features = models.vgg16(num_classes=len(CLASSES)).features
    fill(features, [fold(layers[k], layers[k + 1]) for k in indices])
    assert isinstance(body.layers, Layers)
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()} | body.layers.make_state()


@torch.no_grad()
def fill(features: nn.Module, layers: list[tuple[Tensor, Tensor]]) -> None:
    """Copy these weights and biases into the convolutions of `features`, in order."""
    convolutions = [module for module in features.modules() if isinstance(module, nn.Conv2d)]
    for convolution, (weight, bias) in zip(convolutions, layers, strict=True):
        convolution.weight.copy_(weight)
        assert convolution.bias is not None
        convolution.bias.copy_(bias)


STATES: dict[str, Callable[[Path], Mapping[str, Tensor | Factors]]] = {
    "resnet18": make_resnet18_state,
    "vgg16": make_vgg16_state,
    "squeezenet1_1": make_squeezenet1_1_state,
}


def make_metadata(name: str) -> dict[str, str]:
    """Make the metadata of the file, without the accuracy of the net."""
    return {
        "net": name,
        "classes": ",".join(CLASSES),
        "normalisation": json.dumps({"mean": MEAN, "std": STD}),
        "data": f"scenes, version {scenes.VERSION}, split train, seed {SEED}",
        "seed": str(SEED),
        "recipe": json.dumps([asdict(cycle) for cycle in SCHEDULES[name]]),
    }


def export(name: str, folder: Path, count: int = 3000) -> None:
    """Write the file, measure the net as the file stores it, and write the file again with its accuracy."""
    path, metadata = WEIGHTS / f"{name}.safetensors", make_metadata(name)
    state = STATES[name](folder)
    save(state, path, metadata | {"accuracy": "not measured yet"})
    measured = {str(size): asdict(measure(name, size, count)) for size in SIZES}
    save(state, path, metadata | {"accuracy": json.dumps(measured)})
    print(name, path.stat().st_size, "bytes", measured)


if __name__ == "__main__":
    torch.set_num_threads(1)
    export(sys.argv[1], Path(sys.argv[2]))
