"""VGG16 with global average pooling and one linear layer for its fully connected ones, so that plain CAM applies.

It is the remedy of CAM's authors (Zhou et al., CVPR 2016, section 3.1, VGGnet-GAP). They also add a convolution and train the
whole net on; here the convolutions stay as they are, and the linear layer alone is fitted (fitting.py). Its file holds that
layer, and tells by name and fingerprint which VGG16 it belongs to.
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
from ..core.files import sha256, write_bytes
from . import checkpoints, quantised
from .layers import known
from .loaded import Made

NAME, BASE = "vgg16_gap", "vgg16"
LAYER = known(BASE) or ""
CHANNELS = 512  # of that layer
HOW = f"bench fit {NAME} --dataset FOLDER --out FILE.safetensors"


class About(BaseModel):
    """What a file says of its layer: the net that it belongs to, and how well both do on images that it was not fitted on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str  # the VGG16's spec
    fingerprint: str  # of its weights
    classes: tuple[str, ...]
    dataset: str
    seed: int
    size: int  # of the images, in pixels
    fitted: int  # images
    seen: int  # classes that these are of
    held_out: int  # images
    right: int  # of them, by top-1
    base_right: int | None  # the same of the VGG16 itself; None where it has not all of the classes

    def note(self) -> str:
        classes = f"{self.seen} of its {len(self.classes)} classes"
        lacking = f"{self.base} itself does not know all of these classes"
        own = lacking if self.base_right is None else f"{self.base_right} by {self.base} itself"
        return (
            f"its linear layer is fitted on {self.fitted} images of {self.dataset}, of {classes}, behind the convolutions of "
            f"{self.base}: top-1 {self.right} of {self.held_out} held-out images, {own}"
        )


@dataclass(frozen=True)
class Head:
    """A linear layer behind the pooled activations (n, 512), and what is known of it."""

    linear: nn.Linear
    about: About


def check(spec: str) -> None:
    """Raises UsageError for the spec of what is no VGG16 of torchvision's form, of which the convolutions could be taken."""
    asked = specs.parse("net", spec, str)
    if asked.short is not None or asked.name.partition("@")[0] != BASE:
        raise UsageError(f"{spec} is no VGG16: {NAME} is made of {BASE}, {BASE}@imagenet or {BASE}[weights=FILE]")


def write(head: Head, path: Path) -> None:
    """The layer and what is known of it as one .safetensors file."""
    write_bytes(path, save(dict(head.linear.state_dict()), {NAME: head.about.model_dump_json()}))


def read(path: Path) -> Head:
    """The layer in a file. Raises UsageError where there is none."""
    state = checkpoints.read(path)
    try:
        about = About.model_validate_json(quantised.facts(path).get(NAME, ""))
    except (SafetensorError, ValidationError):
        raise UsageError(f"{path} holds no layer of {NAME}: make it by {HOW}") from None
    linear = nn.Linear(CHANNELS, len(about.classes), device="meta")
    checkpoints.fit(linear, state, path, NAME)
    check(about.base)
    return Head(linear, about)


def made(path: Path | None, make: Callable[[str], Made]) -> Made:
    """The net: the convolutions of the VGG16 that a file names, global average pooling, and the layer in the file.

    Raises UsageError without a file, and where the VGG16 is another by now.
    """
    if path is None:
        raise UsageError(f"no weights of {NAME} ship with this suite: {HOW} makes a file, for {NAME}[weights=FILE]")
    head = read(path)
    about, base = head.about, make(head.about.base)
    if base.fingerprint != about.fingerprint:
        raise UsageError(f"{path} was fitted on {about.base} when it had other weights: fit it again, {HOW}")
    parts = {
        "features": _convolutions(base.net),
        "avgpool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "classifier": head.linear,
    }
    net = nn.Sequential(OrderedDict(parts))
    return Made(net, sha256(path), about.classes, base.preprocess, LAYER, about.size, notes=(about.note(),))


def _convolutions(vgg: nn.Module) -> nn.Sequential:
    """All before the last pooling."""
    inside = vgg.get_submodule("features")
    assert isinstance(inside, nn.Sequential)
    last = [f"features.{name}" for name, _ in inside.named_children()].index(LAYER)
    return inside[: last + 1]
