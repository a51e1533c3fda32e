"""Calls a method for a batch of images, and checks that it returns a map for each."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..nets.net import Net

OVERWRITTEN = "has been modified by an inplace operation"  # in torch's message about values that a gradient needs


def protect_images(method: Plugin, images: Tensor) -> Tensor:
    """Return the images for a method to be called with: a copy for a user's, which may write into them.

    The suite's own methods do not, and share work on the very tensor.
    """
    return images.clone() if method.fingerprint else images


def call_method(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Return the maps (n, h', w') of images (n, 3, h, w) for their targets, float32, on the net's device.

    A user's method that fails on a batch is called with one image at a time. Raise PluginError if it then fails too.
    """
    try:
        return _call(method, net, images, targets, seeds)
    except PluginError:
        if len(images) == 1:
            raise
    parts = [slice(number, number + 1) for number in range(len(images))]
    return torch.cat([_call(method, net, images[part], targets[part], seeds[part]) for part in parts])


def _call(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    target_tensor = net.once(images, "targets", lambda: torch.tensor(targets, device=images.device))
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
    if OVERWRITTEN in str(error):
        return "the net gives no gradients: after the layer, it overwrites values that they depend on (in-place operations)"
    return ""


def _check_maps(method: Plugin, net: Net, maps: Any, count: int) -> Tensor:
    """Return a method's maps (count, h', w') as float32. Raise PluginError for anything else."""
    if not isinstance(maps, Tensor) or maps.dim() != 3 or len(maps) != count or not maps.numel() or maps.is_complex():
        output = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        expected = "one image: a map is" if count == 1 else f"{count} images: maps are"
        raise PluginError(f"method {method.spec} gives {output} for {expected} a real tensor ({count}, h, w)")
    return maps.detach().to(net.device, torch.float32)
