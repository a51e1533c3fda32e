"""The networks by name, with their weights.

`resnet18` is torchvision's architecture with the weights that ship
with this suite (ten classes of `scenes`); `resnet18@imagenet` is the same with torchvision's ImageNet weights.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from . import quantise
from .cuts import CUTS, Cut
from .errors import NotApplicable, UsageError, nearest
from .forward import Forward, Stream

WEIGHTS = Path(__file__).parent / "weights"


class Net(nn.Module):
    """A network ready to be explained, in eval mode and fp32; `scores` runs in the precision of perturbed images."""

    def __init__(self, name: str, cut: Cut, classes: tuple[str, ...], precision: str, fingerprint: str = "") -> None:
        super().__init__()
        self.name, self.layer, self.classes, self.fingerprint = name, cut.layer, classes, fingerprint
        self._line, self._names = nn.ModuleList(cut.line.values()), list(cut.line)
        self.features, self.classify = self.parts([cut.layer])
        self.cut = cut
        self.to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self._forward = Forward(nn.Sequential(self.features, self.classify), precision)
        self._head = Forward(self.classify, "fp32")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, h, w) in [0, 1]."""
        logits: Tensor = self.classify(self.features(images))
        return logits

    def parts(self, layers: Sequence[str]) -> list[nn.Sequential]:
        """The net cut behind each of the layers, in the line's order: their composition is the net.

        Raises NotApplicable where the line has no such layer.
        """
        missing = [layer for layer in layers if layer not in self._names]
        if missing:
            raise NotApplicable(
                f"{self.name} has no layer {missing[0]!r} to cut at: {nearest(missing[0], self._names)}"
            )
        ends = [0, *sorted(self._names.index(layer) + 1 for layer in layers), len(self._line)]
        return [nn.Sequential(*self._line[first:last]) for first, last in pairwise(ends)]

    def tune(self, memory: float | None, *, compiled: bool = False) -> None:
        """Bounds the bytes that a forward pass of perturbed images takes, and compiles it if asked."""
        self._forward.tune(memory, compile=compiled)
        self._head.tune(memory, compile=False)

    def prepare(self, images: Tensor) -> None:
        """Finds how many images of this shape go into one pass, so that no method or metric pays for it."""
        self._forward.prepare(images)

    def scores(self, stream: Stream) -> Tensor:
        """Softmax scores (count, classes) of a stream of perturbed images, float64."""
        return self._forward.probabilities(stream)

    def logits(self, stream: Stream) -> Tensor:
        """Logits (count, classes) of a stream of perturbed images, fp32."""
        return self._forward.logits(stream)

    def classified(self, stream: Stream) -> Tensor:
        """Logits (count, classes) of a stream of activations (k, h', w') behind the cut, always computed in fp32."""
        self._head.prepare(stream.make(0, 1))
        return self._head.logits(stream)

    def class_maps(self, activations: Tensor) -> Tensor:
        """Maps (n, classes, h, w) whose spatial means, plus a constant, are the logits. Raises NotApplicable without them."""
        if self.cut.class_maps is None:
            raise NotApplicable(self.cut.no_class_maps)
        maps: Tensor = self.cut.class_maps(activations)
        return maps

    def state(self) -> tuple[object, ...]:
        """What a method must leave as it finds it: modes, hooks, and the weights' versions and places in memory."""
        modules = tuple((m.training, len(m._forward_hooks), len(m._forward_pre_hooks)) for m in self.modules())
        return modules, tuple((weight._version, weight.data_ptr(), weight.grad is None) for weight in self.parameters())

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


def load(spec: str, device: torch.device, precision: str, layer: str | None = None) -> Net:
    """The net of a spec, `resnet18` or `resnet18@imagenet`, on a device, cut at a layer or where its kind is by default.

    Raises UsageError for what cannot be had.
    """
    name, _, weights = spec.partition("@")
    check(spec)
    state, classes, source = _imagenet(name) if weights else _shipped(name)
    with torch.device("meta"):  # initialising VGG16's 138 million numbers takes longer than reading them
        module = torchvision.models.get_model(name, num_classes=len(classes))
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise UsageError(f"{source} does not fit {name}: {str(error).splitlines()[1].strip()}") from None
    return Net(spec, CUTS[name](module.to(device)).at(layer), classes, precision, sha256(source)).to(device)


def check(spec: str) -> None:
    """Raises UsageError for the spec of a net that there is not."""
    name, at, weights = spec.partition("@")
    if name not in CUTS:
        raise UsageError(f"there is no net {name!r}: {nearest(name, CUTS)}")
    if at and weights != "imagenet":
        raise UsageError(f"net {name!r} has no weights {weights!r}: write {name} (scenes) or {name}@imagenet")


def described(spec: str, layer: str | None = None) -> dict[str, Any]:
    """What a run says of a net: its target layer, its classes, and the fingerprint of its weights."""
    net = load(spec, torch.device("cpu"), "fp32", layer)
    return {"layer": net.layer, "classes": list(net.classes), "fingerprint": net.fingerprint}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped(name: str) -> tuple[dict[str, Tensor], tuple[str, ...], Path]:
    path = WEIGHTS / f"{name}.safetensors"
    return quantise.load(path), tuple(quantise.facts(path)["classes"].split(",")), path


def _imagenet(name: str) -> tuple[dict[str, Tensor], tuple[str, ...], Path]:
    weights = torchvision.models.get_model_weights(name)["IMAGENET1K_V1"]
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, OSError) as error:
        raise UsageError(f"{name}@imagenet cannot be fetched ({error}): put torchvision's file at {path}") from None
    except (UnpicklingError, RuntimeError, EOFError):
        raise UsageError(f"{path} is not a file of weights: remove it, and it is fetched again") from None
    return state, tuple(weights.meta["categories"]), path
