"""torchvision's architectures, with the weights that ship with this suite, torchvision's own, or the user's."""

import math
import re
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
import torchvision
from torch import nn

from ..core.errors import MissingWeights, UsageError, find_close_names, list_known_names
from ..core.files import hash_file
from . import architecture_settings, checkpoints, quantised
from .layers import find_usual_layer
from .loaded import LoadedModel, fix_seed
from .preprocessing import PRESETS, Preprocess

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
    "FILE.py:FACTORY": "the torch.nn.Module that a function of yours returns (or package.module:factory), with your weights: "
    "docs/nets.md.",
}
TASKS = {  # of torchvision's other nets, by the package that they are in
    "segmentation": "segments images",
    "detection": "detects objects",
    "video": "classifies videos",
    "optical_flow": "estimates the optical flow of videos",
    "quantization": "is quantised",
}
IMAGENET = "imagenet"  # short for torchvision's first ImageNet weights of an architecture
INCEPTIONS = ("googlenet", "inception_v3")
AUXILIARY = ("AuxLogits.", "aux1.", "aux2.")  # heads of INCEPTIONS, which run in training alone
OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)")  # of DenseNets' modules in torchvision's files


def list_architectures() -> list[str]:
    """Return the names of torchvision's classifiers."""
    return torchvision.models.list_models(module=torchvision.models)


def check_name(name: str, *, has_weights: bool = False) -> None:
    """Raise UsageError for an unknown architecture or unknown weights in `resnet50` or `resnet50@IMAGENET1K_V2`.

    `has_weights` tells whether the spec names a file of weights.
    """
    name, separator, weights = name.partition("@")
    if name not in list_architectures():
        raise UsageError(_describe_unknown(name, has_weights=has_weights))
    known = [member.name for member in torchvision.models.get_model_weights(name)]
    if separator and weights not in (IMAGENET, *known):
        raise UsageError(f"net {name!r} has no weights {weights!r}: {list_known_names(weights, [IMAGENET, *known])}")


def _describe_unknown(name: str, *, has_weights: bool) -> str:
    """Return the sentence for a name that is none of torchvision's classifiers of images."""
    if Path(f"{name}.py").is_file():
        return f"there is no net {name!r}: did you mean {name}.py:FACTORY, with the name of the function that makes the net?"
    if Path(name).is_file():
        return f"{name} is a file, not a net: if it holds weights, write --net ARCHITECTURE, or my.py:make, --weights {name}"
    if name in torchvision.models.list_models():
        package = torchvision.models.get_model_builder(name).__module__.split(".")[2]
        return f"torchvision's {name} {TASKS.get(package, 'does another task')}: take a net of floats that classifies images"
    similar = find_close_names(name, list_architectures(), 1)
    listed = [close if close in SHIPPED or has_weights else f"{close}@{IMAGENET}" for close in similar]
    hint = f"did you mean {listed[0]!r}? " if listed else ""
    return f"there is no net {name!r}: {hint}there are: {', '.join(SHIPPED)}, or any of torchvision's with its weights"


def load_shipped(name: str) -> LoadedModel:
    """Load an architecture with the weights that ship with this suite. Raise UsageError for one without."""
    path = WEIGHTS / f"{name}.safetensors"
    if name not in SHIPPED:
        raise UsageError(f"no weights of {name} ship with this suite: write {name}@imagenet, or {name}[weights=FILE]")
    net, _ = _build(name, quantised.load(path), path, {})
    classes = tuple(quantised.read_metadata(path)["classes"].split(","))
    return LoadedModel(net, hash_file(path), classes, PRESETS["imagenet"], find_usual_layer(name))


def describe_training(name: str) -> str:
    """Describe on what the shipped weights of an architecture were trained, for those who explain photos with it."""
    return f"it was trained on the data set scenes only: for photos use {name}@imagenet"


def load_torchvision(name: str, weights: str, settings: dict[str, Any]) -> LoadedModel:
    """Load an architecture with torchvision's weights, from its cache or downloaded, and with these settings of its own.

    Raise MissingWeights if neither is possible, and UsageError if the file in the cache holds no weights.
    """
    known = torchvision.models.get_model_weights(name)
    first = "IMAGENET1K_V1" if "IMAGENET1K_V1" in known.__members__ else next(iter(known)).name
    entry = known[first if weights == IMAGENET else weights]
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    try:
        state = entry.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError) as error:
        raise MissingWeights(
            f"{name}@{weights} cannot be downloaded ({error}): put torchvision's file at {path}"
        ) from None
    except (UnpicklingError, RuntimeError, EOFError):
        raise UsageError(f"{path} is not a file of weights: delete it to download it again") from None
    transforms = entry.transforms()
    preprocess = Preprocess(tuple(transforms.mean), tuple(transforms.std))
    net, _ = _build(name, state, path, settings)
    classes = tuple(entry.meta["categories"])
    return LoadedModel(net, hash_file(path), classes, preprocess, find_usual_layer(name), transforms.crop_size[0])


def load_architecture(name: str, path: Path, settings: dict[str, Any], prefix: str = "") -> LoadedModel:
    """Load an architecture with the user's weights, and with these settings of its own. Raise UsageError if they do not fit.

    `prefix` chooses among several sets of weights in the file.
    """
    net, notes = _build(name, checkpoints.read_weights(path), path, settings, prefix)
    notes += architecture_settings.list_assumptions(name, settings)
    reading = architecture_settings.describe_reading(name, settings)
    return LoadedModel(net, hash_file(path), layer=find_usual_layer(name), notes=notes, reading=reading)


def list_imagenet_classes() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes, as torchvision has them."""
    return tuple(torchvision.models.get_weight("ResNet18_Weights.IMAGENET1K_V1").meta["categories"])


def _build(
    name: str, state: checkpoints.State, source: Path, settings: dict[str, Any], prefix: str = ""
) -> tuple[nn.Module, tuple[str, ...]]:
    """Build an architecture with these weights and their number of classes; also return notes on what was left out."""
    arguments = architecture_settings.complete_settings(name, settings)
    arguments |= {"init_weights": False} if name in INCEPTIONS else {}
    state = {OLD_NAME.sub(r"\1\2", key): weight for key, weight in state.items()}
    # On the device meta, because initialising VGG16's 138 million numbers takes longer than reading them. RegNets compute
    # their widths with tensors, which have no values there.
    with fix_seed(), torch.device("cpu" if name.startswith("regnet") else "meta"):
        default: nn.Module = torchvision.models.get_model(name, **arguments)
        selection = checkpoints.select_weights(state, default, source, prefix)
        if not arguments.get("aux_logits", True):
            selection = selection.drop(AUXILIARY)
        arguments |= {"num_classes": count_classes(selection.state, default)} | _read_arguments(name, selection.state)
        net: nn.Module = torchvision.models.get_model(name, **arguments)
    checkpoints.load_weights(net, selection, name)
    return net, selection.notes


def _read_arguments(name: str, state: checkpoints.State) -> dict[str, Any]:
    """Return the arguments of an architecture that the shapes of its weights show: the size of a ViT's images."""
    positions, patches = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if not name.startswith("vit_") or positions is None or patches is None:
        return {}
    return {"image_size": math.isqrt(positions.shape[1] - 1) * patches.shape[-1]}


def count_classes(state: checkpoints.State, net: nn.Module) -> int:
    """Return the number of classes in a net's weights: the length of the last tensor, the bias of the class scores."""
    last_name = list(net.state_dict())[-1]
    return len(state.get(last_name, net.state_dict()[last_name]))
