"""Calls a method for a batch of images, and checks that it returns a map for each."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..nets.net import Net

MAX_PIXELS = 2**26  # of a map: four times the largest photo
OVERWRITTEN = "modified by an inplace operation", "being modified inplace"  # in torch's messages about gradients


def protect(method: Plugin, values: Tensor) -> Tensor:
    """Return images for a method to be called with: a copy for foreign code, which may write into them.

    The suite's own methods do not, and share work on the very tensor.
    """
    return values.clone() if method.foreign else values


def call_method(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Return the maps (n, h', w') of images (n, 3, h, w) for their targets, float32, on the net's device.

    A user's method that fails on a batch is called with one image at a time. Raise PluginError if it then fails too.
    """
    unchanged = protect(method, images) if len(images) > 1 else images
    try:
        return _call(method, net, images, targets, seeds)
    except PluginError:
        if len(images) == 1:
            raise
    parts = [slice(number, number + 1) for number in range(len(images))]
    return torch.cat([_call(method, net, unchanged[part], targets[part], seeds[part]) for part in parts])


def _call(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    make_targets = partial(torch.tensor, targets, device=images.device)
    target_tensor = make_targets() if method.foreign else net.once(images, "targets", make_targets)
    try:
        maps = method(net, images, target_tensor, *((list(seeds),) if method.takes_seeds else ()))
    except RuntimeError as error:
        if reason := _explain_missing_gradients(error):
            raise NotApplicable(reason) from error
        raise
    return _check_maps(method, net, maps, len(images))


def _explain_missing_gradients(error: RuntimeError) -> str:
    """Return why a net cannot be differentiated, if this is what an error says; empty for another error."""
    if isinstance(error, NotImplementedError):  # a derivative that torch or a function of the user's net does not have
        return f"the net does not compute what the method needs: {error}"
    if any(words in str(error) for words in OVERWRITTEN):
        return "the net passes no gradients on: it overwrites values that they depend on (in-place operations)"
    return ""


def _check_maps(method: Plugin, net: Net, maps: Any, count: int) -> Tensor:
    """Return a method's maps (count, h', w') as float32. Raise PluginError for anything else."""
    if not isinstance(maps, Tensor) or not _are_maps(maps, count):
        output = _describe(maps) if isinstance(maps, Tensor) else type(maps).__name__
        expected = "one image: a map is" if count == 1 else f"{count} images: maps are"
        raise PluginError(f"method {method.spec} gives {output} for {expected} a real tensor ({count}, h, w)")
    if maps[0].numel() > MAX_PIXELS:
        raise PluginError(
            f"method {method.spec} gives a map of {_describe(maps[0])}: it has at most {MAX_PIXELS} pixels"
        )
    return maps.detach().to(net.device, torch.float32)


def _are_maps(maps: Tensor, count: int) -> bool:
    if maps.is_meta or maps.is_nested or maps.is_quantized or maps.layout is not torch.strided or maps.is_complex():
        return False
    return maps.dim() == 3 and len(maps) == count and maps.numel() > 0


def _describe(maps: Tensor) -> str:
    """Return the shape of a tensor, and of what kind it is if it is no plain one."""
    if maps.is_nested:
        return "a nested tensor"
    kinds = {"meta": maps.is_meta, "quantised": maps.is_quantized, "sparse": maps.layout is not torch.strided}
    return " ".join([str(tuple(maps.shape)), *(f"({kind})" for kind, applies in kinds.items() if applies)])
