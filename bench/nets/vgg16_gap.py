"""VGG16 with its fully connected layers replaced by global average pooling and one linear layer.

This is VGGnet-GAP of CAM's authors (Zhou et al., CVPR 2016, section 3.1). They also add a convolution and retrain the whole
net; here the convolutions are frozen and only the linear layer is fitted (fit_vgg16_gap.py). Its file holds that layer, and
the spec and fingerprint of the VGG16 it belongs to.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import save
from torch import nn

from ..core import specs
from ..core.errors import UsageError
from ..core.files import hash_file, write_bytes
from . import checkpoints, quantised
from .layers import find_usual_layer
from .loaded import LoadedModel

NAME, BASE = "vgg16_gap", "vgg16"
LAYER = find_usual_layer(BASE) or ""
CHANNELS = 512  # of that layer
FIT_COMMAND = f"bench fit {NAME} --dataset FOLDER --out FILE.safetensors"


class HeadMetadata(BaseModel):
    """The metadata of a fitted layer: the VGG16 it belongs to, its images, and both nets' accuracy on held-out images."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str  # the VGG16's spec
    fingerprint: str  # of its weights
    classes: tuple[str, ...]
    dataset: str
    seed: int
    size: int  # of the images, in pixels
    fitted: int  # images
    seen: int  # classes among the fitted images
    held_out: int  # images
    right: int  # held-out images that it classifies correctly (top-1)
    base_right: int | None  # the same of the VGG16 itself; None if it lacks some of the classes

    def describe(self) -> str:
        """Describe how the layer was fitted and how well it does, in one sentence for the report."""
        classes = f"{self.seen} of its {len(self.classes)} classes"
        lacks = f"{self.base} itself does not know all of these classes"
        base = lacks if self.base_right is None else f"{self.base_right} by {self.base} itself"
        return (
            f"its linear layer is fitted on {self.fitted} images of {self.dataset}, of {classes}, after the convolutions of "
            f"{self.base}: top-1 {self.right} of {self.held_out} held-out images, {base}"
        )


@dataclass(frozen=True)
class Head:
    """A linear layer on pooled activations (n, 512), and its metadata."""

    linear: nn.Linear
    metadata: HeadMetadata


def check_base(spec: str) -> None:
    """Raise UsageError for the spec of a net that is not torchvision's VGG16."""
    parsed = specs.parse("net", spec, str)
    if parsed.short is not None or parsed.name.partition("@")[0] != BASE:
        raise UsageError(f"{spec} is not a VGG16: {NAME} is built on {BASE}, {BASE}@imagenet or {BASE}[weights=FILE]")


def write_head(head: Head, path: Path) -> None:
    """Write a layer and its metadata to a .safetensors file."""
    write_bytes(path, save(dict(head.linear.state_dict()), {NAME: head.metadata.model_dump_json()}))


def read_head(path: Path) -> Head:
    """Read the layer in a file. Raise UsageError for a file without one."""
    state = checkpoints.read_weights(path)
    try:
        metadata = HeadMetadata.model_validate_json(quantised.read_metadata(path).get(NAME, ""))
    except (SafetensorError, ValidationError):
        raise UsageError(f"{path} holds no layer of {NAME}: make it by {FIT_COMMAND}") from None
    linear = nn.Linear(CHANNELS, len(metadata.classes), device="meta")
    checkpoints.load_weights(linear, checkpoints.select_weights(state, linear, path), NAME)
    check_base(metadata.base)
    return Head(linear, metadata)


def load_model(path: Path | None, load_base: Callable[[str], LoadedModel]) -> LoadedModel:
    """Load the convolutions of the VGG16 that a file names, global average pooling, and the linear layer in the file.

    `load_base` loads the VGG16 by its spec. Raise UsageError without a file, and for a VGG16 whose weights have changed.
    """
    if path is None:
        raise UsageError(
            f"no weights of {NAME} ship with this suite: {FIT_COMMAND} makes a file, for {NAME}[weights=FILE]"
        )
    head = read_head(path)
    metadata, base = head.metadata, load_base(head.metadata.base)
    if base.fingerprint != metadata.fingerprint:
        raise UsageError(f"{path} was fitted on {metadata.base} when it had other weights: fit it again, {FIT_COMMAND}")
    parts = {
        "features": _select_convolutions(base.module),
        "avgpool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": head.linear,
    }
    net = nn.Sequential(OrderedDict(parts))
    return LoadedModel(
        net, hash_file(path), metadata.classes, base.preprocess, LAYER, metadata.size, notes=(metadata.describe(),)
    )


def _select_convolutions(vgg: nn.Module) -> nn.Sequential:
    """Return all layers before the last pooling."""
    features = vgg.get_submodule("features")
    assert isinstance(features, nn.Sequential)
    last = [f"features.{name}" for name, _ in features.named_children()].index(LAYER)
    return features[: last + 1]
