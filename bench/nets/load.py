"""Nets, ready to be explained: of this suite, of torchvision or timm, or the user's own, by their specs or as live modules."""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..core.errors import UsageError
from . import preprocessing, sources, split
from .loaded import Made, fingerprint
from .net import Net

USUAL = 224  # pixels: the side of images that is not worth a word


def load(spec: str, device: torch.device, precision: str, layer: str | None = None) -> Net:
    """The net of a spec (see sources.py) on a device, cut at its own layer, at the one given, or where its kind is by default.

    Raises UsageError for what cannot be had.
    """
    source = sources.read(spec)
    return _cut(source.name, source.make(), device, precision, source.layer or layer)


def of(
    module: nn.Module,
    *,
    name: str = "net",
    layer: str | None = None,
    classes: Sequence[str] = (),
    preprocess: str = "imagenet",
    mean: str | float | Sequence[float] = "",
    std: str | float | Sequence[float] = "",
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> Net:
    """A live module as a net: a copy of it, in eval mode, frozen and fp32; the module is left as it was found.

    `preprocess` is what stands before it (imagenet, none or half; or a mean and a std as in a spec), for images are in
    [0, 1]. Raises UsageError for what is no classifier of images.
    """
    mean, std = preprocessing.joined(mean), preprocessing.joined(std)
    shown = preprocessing.preprocess("" if mean or std else preprocess, mean, std)
    bare = module.module if isinstance(module, nn.DataParallel) else module
    try:
        own = copy.deepcopy(bare).float()
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"{name} cannot be copied ({error}): give a module that has just been made and loaded"
        ) from None
    made = Made(own, fingerprint(own), tuple(classes), shown)
    return _cut(name, made, torch.device(device), precision, layer)


def _cut(name: str, made: Made, device: torch.device, precision: str, layer: str | None) -> Net:
    net = made.net.to(device).eval().requires_grad_(False)
    try:
        found = split.cut(net, made.preprocess or preprocessing.WORDS["imagenet"], layer, made.layer)
        classes, notes = _classes(made.classes, found.classes)
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    if split.CAPTURED in found.cut.line and precision in ("bf16", "fp16"):
        precision = "fp32"  # which of its layers comes last, to stay fp32, its order does not tell
        notes += ("its perturbed images run in fp32",)
    if made.preprocess is None:
        notes += ("it is shown images normalised by ImageNet's mean and deviation: preprocess=... says otherwise",)
    if made.size not in (None, found.fixed, USUAL):
        notes += (
            f"its weights were validated on images of {made.size} x {made.size}: [size={made.size}] of a data set",
        )
    notes, print_ = (*found.notes, *made.notes, *notes), made.fingerprint
    return Net(name, found.cut, classes, precision, print_, notes=notes, size=found.fixed).to(device)


def _classes(names: tuple[str, ...], count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if not names:
        return tuple(map(str, range(count))), (
            f"its {count} classes have no names: classes=FILE gives them, one a line",
        )
    if len(names) != count:
        raise UsageError(f"{len(names)} class names, and the net has {count} classes")
    return names, ()


def named(asked: Sequence[str]) -> dict[str, str]:
    """The specs of nets by their names in records. Raises UsageError for what is no net, and for two of one name."""
    names: dict[str, str] = {}
    for spec in asked:
        name = sources.read(spec).name
        if names.get(name) == spec:
            raise UsageError(f"{spec} is named twice")
        if name in names:
            raise UsageError(f"{names[name]} and {spec} would both be called {name}: rename a file of one of them")
        names[name] = spec
    return names


def described(spec: str, layer: str | None = None) -> dict[str, Any]:
    """What a run says of a net: its layer, classes, fingerprints of weights and code, and what was decided about it."""
    source = sources.read(spec)
    made = source.make()
    net = _cut(source.name, made, torch.device("cpu"), "fp32", source.layer or layer)
    about = {"layer": net.layer, "classes": list(net.classes), "fingerprint": net.fingerprint, "notes": list(net.notes)}
    return about | ({"code": made.code} if made.code else {})
