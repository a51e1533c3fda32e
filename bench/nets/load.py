"""Loads nets, split at the explained layer: from a spec (see sources.py) or from a live module."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import BenchError, UsageError
from ..core.formatting import format_count
from ..core.process_state import KeepModes
from ..forward.device import is_out_of_memory
from ..forward.precision import choose_precision
from . import modules, split
from .auto_precision import replace_unfit
from .loaded import LoadedModel, compute_fingerprint
from .net import Net
from .preprocessing import PRESETS, format_numbers, parse_preprocess
from .readings import OutputSettings, check_scores
from .sources import parse_source

USUAL_SIZE = 224  # pixels: side of the images that needs no note


def load(spec: str, device: torch.device, precision: str, layer: str | None = None) -> Net:
    """Load the net of a spec on a device, split at the spec's layer, else at `layer`, else at its architecture's usual one.

    `precision` (fp32, tf32, bf16, fp16 or auto) is that of perturbed images. Raise UsageError if the net cannot be loaded or
    split, PluginError if a net of the user's own breaks its contract.
    """
    source = parse_source(spec)
    try:
        return _make_net(source.name, source.load(), device, precision, source.layer or layer)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise UsageError(f"{source.name} does not fit into the memory of {device}: take a smaller net") from None
        raise


def load_module(
    module: nn.Module,
    *,
    name: str = "net",
    layer: str | None = None,
    classes: Sequence[str] = (),
    preprocess: str = "",
    mean: str | float | Sequence[float] = "",
    std: str | float | Sequence[float] = "",
    scores: str = "",
    output: str | int = "",
    device: torch.device | str = "cpu",
    precision: str = "fp32",
) -> Net:
    """Make a net of a copy of a live module, in eval mode, frozen and fp32; the module itself does not change.

    `preprocess` is applied to images in [0, 1]: imagenet (the default), none or half, or else a mean and a std, one number or
    one a channel. `scores` says how class scores are read (softmax, sigmoid or logits), `output` which output of several holds
    them. Raise PluginError for a module that does not classify images, UsageError for a setting that does not fit it.
    """
    mean, std = format_numbers(mean), format_numbers(std)
    normalisation = parse_preprocess(preprocess, mean, std)
    unwrapped = modules.unwrap(module)
    modules.check_module(unwrapped, f"{name} is")
    try:
        copied = copy.deepcopy(unwrapped, _copy_computed(unwrapped)).float()
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"{name} cannot be copied ({error}): pass a module that was just built and has not run yet"
        ) from None
    modules.undo_compilation(copied)
    settings = OutputSettings(check_scores(scores), str(output))
    model = LoadedModel(copied, compute_fingerprint(copied), tuple(classes), normalisation, settings=settings)
    return _make_net(name, model, torch.device(device), precision, layer)


def _copy_computed(module: nn.Module) -> dict[int, Any]:
    """Copy the tensors that modules have computed and keep, as weight_norm does: `deepcopy` refuses those with gradients."""
    kept = [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    return {id(value): value.detach().clone() for value in kept if not value.is_leaf}


def _make_net(name: str, model: LoadedModel, device: torch.device, precision: str, layer: str | None) -> Net:
    """Split a model into a net. Errors begin with the net's name."""
    module = model.module.to(device).eval().requires_grad_(False)
    try:
        settings = replace(model.settings, class_count=len(model.classes))
        with KeepModes():
            parts = split.split_net(module, model.preprocess or PRESETS["imagenet"], layer, model.layer, settings)
        _check_class_names(model.classes, parts)
    except BenchError as error:
        raise type(error)(f"{name}: {error}") from None
    classes = model.classes or tuple(map(str, range(parts.class_count)))
    notes = [*parts.notes, *model.notes]
    if not model.classes:
        notes.append(f"its {len(classes)} classes have no names: --classes FILE gives them, one a line")
    chosen = choose_precision(precision, device)
    if split.AFTER_LAYER in parts.cut.modules and chosen in ("bf16", "fp16"):
        chosen = "fp32"  # the last layer must stay fp32, and the order of the modules does not tell which it is
        notes.append("its perturbed images run in fp32")
    notes += _list_input_notes(model, parts.fixed_size)
    net = Net(
        name, parts.cut, classes, chosen, model.fingerprint,
        code=model.code, file=model.file, notes=tuple(notes), size=parts.fixed_size, link=parts.link,
        output="" if parts.output is None else str(parts.output),
        reading="; ".join(filter(None, (model.reading, parts.reading))),
    )  # fmt: skip
    net.to(device)
    return replace_unfit(net, parts.probe_size) if precision == "auto" and chosen in ("fp16", "bf16") else net


def _list_input_notes(model: LoadedModel, fixed_size: int | None) -> list[str]:
    notes = []
    if model.preprocess is None:
        notes.append(
            "its images are normalised by ImageNet's mean and standard deviation: --preprocess (preprocess=) changes that"
        )
    if model.size not in (None, fixed_size, USUAL_SIZE):
        size = model.size
        notes.append(
            f"its weights were validated on images of {size} x {size}: set [size={size}] of the data set"
            f" (bench explain: --size {size})"
        )
    return notes


def _check_class_names(names: tuple[str, ...], parts: split.SplitNet) -> None:
    """Raise UsageError for another number of names than the net has classes."""
    if names and len(names) != parts.class_count:
        why = ""
        if split.TWO_CLASSES in parts.cut.modules:
            why = ", as it returns one score an image: name the class of low scores first, then that of high scores"
        raise UsageError(f"{format_count(len(names), 'class name')}, and the net has {parts.class_count} classes{why}")


def name_specs(specs: Sequence[str]) -> dict[str, str]:
    """Return the specs of nets by the nets' names in records. Raise UsageError for an invalid spec, and for two of one name."""
    by_name: dict[str, str] = {}
    for spec in specs:
        name = parse_source(spec).name
        if by_name.get(name) == spec:
            raise UsageError(f"{spec} is named twice")
        if name in by_name:
            raise UsageError(f"{by_name[name]} and {spec} would both be called {name}: rename a file of one of them")
        by_name[name] = spec
    return by_name
