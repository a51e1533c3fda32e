"""Makes a shipped file of a trained net: `python -m cambench.training.export NET FOLDER`.

Batch norm is folded into the convolutions where torchvision's net has none, and VGG16 gets its fitted layers.
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


def folded(convolution: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that does what a convolution and its batch norm do."""
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    gain = norm.weight / (variance + norm.eps).sqrt()
    bias = torch.zeros_like(mean) if convolution.bias is None else convolution.bias
    return convolution.weight * gain.view(-1, 1, 1, 1), norm.bias + (bias - mean) * gain


def trained(name: str, folder: Path) -> Body:
    body = BODIES[name]()
    body.load_state_dict(torch.load(folder / f"{name}.pt", weights_only=True)["net"])
    return body.eval()


def resnet18_state(folder: Path) -> dict[str, Tensor]:
    body = trained("resnet18", folder)
    stem, *others = body.parts()
    net = models.resnet18(num_classes=len(CLASSES))
    net.conv1, net.bn1, net.layer1 = stem[0], stem[1], stem[4]
    net.layer2, net.layer3, net.layer4 = others
    net.fc = body.head[2]
    return dict(net.state_dict())


def squeezenet1_1_state(folder: Path) -> dict[str, Tensor]:
    body = trained("squeezenet1_1", folder)
    net = models.squeezenet1_1(num_classes=len(CLASSES))
    pairs = [m for stage in body.stages for m in stage.modules() if isinstance(m, nn.Sequential)]
    pairs = [pair for pair in pairs if len(pair) == 2 and isinstance(pair[1], nn.BatchNorm2d)]
    fill(net.features, [folded(pair[0], pair[1]) for pair in pairs])
    net.classifier[1].load_state_dict(body.head[0].state_dict())
    return dict(net.state_dict())


def vgg16_state(folder: Path) -> dict[str, Tensor | Factors]:
    """VGG16's convolutions, batch norm folded in, and its fitted layers."""
    body = trained("vgg16", folder)
    convolutions = [layer for stage in body.parts() for layer in stage]
    places = [k for k, layer in enumerate(convolutions) if isinstance(layer, nn.Conv2d)]
    features = models.vgg16(num_classes=len(CLASSES)).features
    fill(features, [folded(convolutions[k], convolutions[k + 1]) for k in places])
    assert isinstance(body.layers, Layers)
    return {f"features.{name}": tensor for name, tensor in features.state_dict().items()} | body.layers.state()


@torch.no_grad()
def fill(features: nn.Module, layers: list[tuple[Tensor, Tensor]]) -> None:
    """Give the convolutions of `features`, in order, these weights and biases."""
    convolutions = [module for module in features.modules() if isinstance(module, nn.Conv2d)]
    for convolution, (weight, bias) in zip(convolutions, layers, strict=True):
        convolution.weight.copy_(weight)
        assert convolution.bias is not None
        convolution.bias.copy_(bias)


STATES: dict[str, Callable[[Path], Mapping[str, Tensor | Factors]]] = {
    "resnet18": resnet18_state,
    "vgg16": vgg16_state,
    "squeezenet1_1": squeezenet1_1_state,
}


def recipe(name: str) -> dict[str, str]:
    """What the file says about its weights, save their accuracy."""
    return {
        "net": name,
        "classes": ",".join(CLASSES),
        "normalisation": json.dumps({"mean": MEAN, "std": STD}),
        "data": f"scenes, version {scenes.VERSION}, split train, seed {SEED}",
        "seed": str(SEED),
        "recipe": json.dumps([asdict(cycle) for cycle in SCHEDULES[name]]),
    }


def export(name: str, folder: Path, count: int = 3000) -> None:
    """Write the file, measure it as anyone would read it, and write it again with what was measured."""
    path, said = WEIGHTS / f"{name}.safetensors", recipe(name)
    state = STATES[name](folder)
    save(state, path, said | {"accuracy": "not measured yet"})
    measured = {str(size): asdict(measure(name, size, count)) for size in SIZES}
    save(state, path, said | {"accuracy": json.dumps(measured)})
    print(name, path.stat().st_size, "bytes", measured)


if __name__ == "__main__":
    torch.set_num_threads(1)
    export(sys.argv[1], Path(sys.argv[2]))
