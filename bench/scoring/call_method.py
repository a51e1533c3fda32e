"""Calls a method for a batch of images, and checks that it returns a map for each, which depends on that image alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..nets.net import Net

MAX_PIXELS = 2**26  # of a map: four times the largest photo
INDEPENDENCE = 1e-3  # of a map's spread: the most that the other images of a batch may change it by
ROUNDING = 1e-6  # of its largest magnitude: what they may change a map without spread by
OVERWRITTEN = "modified by an inplace operation", "being modified inplace"  # in torch's messages about gradients


def protect(method: Plugin, values: Tensor) -> Tensor:
    """Return images for a method to be called with: a copy for foreign code, which may write into them.

    The suite's own methods do not, and share work on the very tensor.
    """
    return values.clone() if method.foreign else values


def call_method(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Return the maps (n, h', w') of images (n, 3, h, w) for their targets, float32, on the net's device.

    A user's method that fails on a batch, or mixes its images, is called with one image at a time. Raise PluginError if it
    then fails too.
    """
    if len(images) == 1:
        return _call(method, net, images, targets, seeds)
    unchanged = protect(method, images)
    try:
        if not mixes_images(method, net, unchanged, targets, seeds):
            return _call(method, net, images, targets, seeds)
    except PluginError:
        pass  # below, the error of an image names that image
    parts = [slice(number, number + 1) for number in range(len(images))]
    return torch.cat([_call(method, net, unchanged[part], targets[part], seeds[part]) for part in parts])


def mixes_images(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> bool:
    """Tell whether a user's method gives an image another map in a batch than alone.

    It is found out once for a net, on the first and the last image of a batch: a method that divides by the batch's highest
    value changes at least one of the two. Raise PluginError if the method fails on the batch.
    """
    if not method.foreign:  # the contract tests check the suite's own
        return False
    key = method.spec, method.function
    if key not in net.mixing:
        maps = _call(method, net, images.clone(), targets, seeds)
        ends = slice(0, 1), slice(len(images) - 1, None)
        alone = [_call(method, net, images[end].clone(), targets[end], seeds[end]) for end in ends]
        net.mixing[key] = not all(_are_alike(maps[end], map_) for end, map_ in zip(ends, alone, strict=True))
    return net.mixing[key]


def _are_alike(maps: Tensor, expected: Tensor) -> bool:
    """Tell whether maps (n, h, w) equal others up to rounding; NaN equals nothing."""
    if maps.shape != expected.shape:
        return False
    spread = float(expected.max() - expected.min())
    tolerance = max(INDEPENDENCE * spread, ROUNDING * float(expected.abs().max()))
    return torch.allclose(maps, expected, rtol=0, atol=tolerance)


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
