"""Architectures of torchvision, with the weights that ship with this suite, torchvision's or the user's; and timm's nets."""

import importlib.util
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
import torchvision
from torch import nn

from ..core.errors import Missing, UsageError, nearest
from ..core.files import sha256
from . import checkpoints, layers, quantised
from .loaded import Made, fingerprint, seeded
from .preprocessing import WORDS, Preprocess

WEIGHTS = Path(__file__).parent / "weights"
SHIPPED = {
    "squeezenet1_1": "SqueezeNet 1.1 at features.12, the last Fire module: "
    "class maps and global pooling follow, so CAM applies.",
    "resnet18": "ResNet18 at layer4: global pooling and one linear layer follow, so CAM applies.",
    "vgg16": "VGG16 at features.29, the last convolution's ReLU: three fully connected layers follow, so CAM does not apply.",
}
FORMS = {  # of the specs of other nets
    "NAME@WEIGHTS": "any classifier of torchvision with its weights: resnet50@IMAGENET1K_V2, mobilenet_v2@imagenet.",
    "vgg16_gap[weights=FILE]": "VGG16 with global average pooling and one linear layer that bench fit vgg16_gap fits to your "
    "images, so CAM applies (Zhou et al., CVPR 2016).",
    "timm:NAME": "a net of timm, with its weights: timm:resnet50.a1_in1k (pip install 'cambench[timm]').",
    "FILE.py:FACTORY": "what a function of yours gives (or package.module:factory), with your weights: docs/nets.md.",
}
IMAGENET = "imagenet"  # short for torchvision's first ImageNet weights of an architecture
INCEPTIONS = ("googlenet", "inception_v3")  # whose ImageNet weights want images in [-1, 1]


def architectures() -> list[str]:
    """torchvision's classifiers."""
    return torchvision.models.list_models(module=torchvision.models)


def check(name: str) -> None:
    """Raises UsageError for the name of a net, `resnet50` or `resnet50@IMAGENET1K_V2`, that there is not."""
    name, at, weights = name.partition("@")
    if name not in architectures():
        raise UsageError(
            f"there is no net {name!r}: {nearest(name, [*SHIPPED])}, or any of torchvision's with its weights"
        )
    known = [one.name for one in torchvision.models.get_model_weights(name)]
    if at and weights not in (IMAGENET, *known):
        raise UsageError(f"net {name!r} has no weights {weights!r}: {nearest(weights, [IMAGENET, *known])}")


def shipped(name: str) -> Made:
    path = WEIGHTS / f"{name}.safetensors"
    if name not in SHIPPED:
        raise UsageError(f"no weights of {name} ship with this suite: write {name}@imagenet, or {name}[weights=FILE]")
    net = _loaded(name, quantised.load(path), path)
    classes = tuple(quantised.facts(path)["classes"].split(","))
    return Made(net, sha256(path), classes, WORDS["imagenet"], layers.known(name))


def torchvisions(name: str, weights: str) -> Made:
    """An architecture with torchvision's weights, from its cache, or fetched."""
    known = torchvision.models.get_model_weights(name)
    first = "IMAGENET1K_V1" if "IMAGENET1K_V1" in known.__members__ else next(iter(known)).name
    found = known[first if weights == IMAGENET else weights]
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(found.url).name
    try:
        state = found.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError) as error:
        raise UsageError(f"{name}@{weights} cannot be fetched ({error}): put torchvision's file at {path}") from None
    except (UnpicklingError, RuntimeError, EOFError):
        raise UsageError(f"{path} is not a file of weights: remove it, and it is fetched again") from None
    shown = found.transforms()
    colours = Preprocess(tuple(shown.mean), tuple(shown.std), "as its weights were trained")
    net = _loaded(name, state, path, **({"transform_input": True} if name in INCEPTIONS else {}))
    classes = tuple(found.meta["categories"])
    return Made(net, sha256(path), classes, colours, layers.known(name), shown.crop_size[0])


def trained(name: str, path: Path) -> Made:
    """An architecture of torchvision with the user's weights."""
    net = _loaded(name, checkpoints.read(path), path)
    return Made(net, sha256(path), layer=layers.known(name))


def timms(name: str, weights: Path | None, *, pretrained: bool = True) -> Made:
    """A net of the library timm, with its weights from timm's cache, or fetched."""
    if importlib.util.find_spec("timm") is None:
        raise Missing("timm's nets need the library timm: pip install 'cambench[timm]'")
    import timm

    bare, _, tag = name.partition(".")
    if not timm.is_model(bare):
        raise UsageError(f"timm has no net {name!r}: {layers.near(name, timm.list_models())}")
    tags = [one.partition(".")[2] for one in timm.list_pretrained(f"{bare}.*")]
    if tag and tag not in tags:
        raise UsageError(f"timm's {bare} has no weights {tag!r}: {nearest(tag, tags)}")
    try:
        with seeded():
            net: Any = timm.create_model(name, pretrained=pretrained and weights is None)
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"timm:{name} cannot be had with its weights ({type(error).__name__}): they are neither in its cache nor to be "
            f"fetched; timm:{name}[weights=FILE] takes a file, timm:{name}[pretrained=false] random ones"
        ) from None
    about = net.pretrained_cfg
    size = (about.get("test_input_size") or about["input_size"])[-1]
    colours = Preprocess(tuple(about["mean"]), tuple(about["std"]), "as timm has it")
    if weights is not None:
        state = checkpoints.read(weights)
        last = list(net.state_dict())[-1]
        net.reset_classifier(len(checkpoints.renamed(state, net).get(last, net.state_dict()[last])))
        checkpoints.fit(net, state, weights, f"timm:{name}")
        return Made(net, sha256(weights), (), colours, None, size)
    notes = () if pretrained else ("its weights are random: pretrained=false",)
    classes = tuple(_imagenet()) if pretrained and net.num_classes == len(_imagenet()) else ()
    return Made(net, fingerprint(net), classes, colours, None, size, notes=notes)


def _loaded(name: str, state: checkpoints.State, source: Path, **settings: Any) -> nn.Module:
    settings |= {"init_weights": False} if name in INCEPTIONS else {}
    with torch.device("meta"):  # initialising VGG16's 138 million numbers takes longer than reading them
        usual: nn.Module = torchvision.models.get_model(name, **settings)
        last = list(usual.state_dict())[-1]  # of the layer that gives the class scores
        classes = len(checkpoints.renamed(state, usual).get(last, usual.state_dict()[last]))
        net: nn.Module = torchvision.models.get_model(name, num_classes=classes, **settings)
    checkpoints.fit(net, state, source, name)
    return net


def _imagenet() -> list[str]:
    classes: list[str] = torchvision.models.get_weight("ResNet18_Weights.IMAGENET1K_V1").meta["categories"]
    return classes
