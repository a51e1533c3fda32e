"""Calls a method for a batch of images, and checks that it returns a map for each, which depends on that image alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..data.seeds import seed_generators
from ..forward.device import move_to_device
from ..nets.net import Net

MAX_PIXELS = 2**26  # of a map: four times the largest photo
INDEPENDENCE = 1e-3  # of a map's spread: the most that the other images of a batch may change it by
ROUNDING = 1e-6  # of its largest magnitude: what they may change a map without spread by
OVERWRITTEN = "modified by an inplace operation", "being modified inplace"  # in torch's messages about gradients


def protect(method: Plugin, values: Tensor) -> Tensor:
    """Return images for a method to be called with: a copy for the user's own code, which may write into them.

    The suite's own methods do not, and share work on the very tensor.
    """
    return values.clone() if method.is_users_own else values


def call_method(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    """Return the maps (n, h', w') of images (n, 3, h, w) for their targets, float32, on the net's device.

    A user's method gets each image of a net's first batch alone. If it gives these another map in a batch, or fails on the
    batch, it is called with one image at a time from then on. So is one that draws from the global random generators, which
    are started from the first image's seed: an image gets the same map in every run. Raise PluginError if it fails on one
    image.
    """
    if len(images) == 1:
        return _call(method, net, images, targets, seeds)
    key = method.spec, method.function
    if method.foreign and key not in net.mixing:
        maps = _call_one_by_one(method, net, images, targets, seeds)
        net.mixing[key] = mixes_images(method, net, images, targets, seeds, alone=maps)
        return maps
    if method.foreign and net.mixing[key]:
        return _call_one_by_one(method, net, images, targets, seeds)
    unchanged = protect(method, images)
    try:
        return _call(method, net, images, targets, seeds)
    except PluginError:  # the error of an image names that image
        return _call_one_by_one(method, net, unchanged, targets, seeds)


def _call_one_by_one(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    parts = [slice(number, number + 1) for number in range(len(images))]
    calls = [(protect(method, images[part]), targets[part], seeds[part]) for part in parts]
    return join_maps(method, [_call(method, net, *call) for call in calls])


def join_maps(method: Plugin, maps: Sequence[Tensor]) -> Tensor:
    """Join maps (1, h', w') of images of one size. Raise PluginError if they are of several sizes."""
    sizes = sorted({tuple(map_.shape[1:]) for map_ in maps})
    if len(sizes) > 1:
        shown = " and ".join(f"{height} x {width}" for height, width in sizes[:2])
        raise PluginError(f"method {method.spec} gives maps of {shown} for images of one size: give maps of one size")
    return torch.cat(list(maps))


def mixes_images(
    method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int], *, alone: Tensor
) -> bool:
    """Tell whether a method fails on a batch, or gives an image another map there than `alone` (n, h', w').

    If all images have one target, the last is also explained for another one, in the batch and alone: a method may take the
    first target for all.
    """
    try:
        if not _are_alike(_call(method, net, protect(method, images), targets, seeds), alone):
            return True
        if len(set(targets)) > 1:
            return False
        other = (targets[-1] + 1) % len(net.classes)
        together = _call(method, net, protect(method, images), [*targets[:-1], other], seeds)
        last = _call(method, net, protect(method, images[-1:]), [other], seeds[-1:])
        return not _are_alike(together[-1:], last)
    except PluginError:
        return True


def _are_alike(maps: Tensor, expected: Tensor) -> bool:
    """Tell whether maps (n, h, w) equal others, each up to rounding, and have NaN in the same places."""
    if maps.shape != expected.shape or not torch.equal(maps.isnan(), expected.isnan()):
        return False
    maps, expected = maps.nan_to_num(), expected.nan_to_num()
    flat = expected.flatten(1)
    tolerances = (INDEPENDENCE * (flat.amax(1) - flat.amin(1))).maximum(ROUNDING * flat.abs().amax(1))
    return bool(((maps - expected).flatten(1).abs().amax(1) <= tolerances).all())


def _call(method: Plugin, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
    make_targets = partial(move_to_device, torch.tensor(targets), images.device)
    target_tensor = make_targets() if method.is_users_own else net.once(images, "targets", make_targets)
    if method.is_users_own:
        seed_generators(seeds[0], images.device)
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
    """Return a method's maps (count, h', w') as float32; of foreign code, a copy. Raise PluginError for anything else."""
    if not isinstance(maps, Tensor) or not _are_maps(maps, count):
        output = _describe(maps) if isinstance(maps, Tensor) else type(maps).__name__
        expected = "one image: a map is" if count == 1 else f"{count} images: maps are"
        raise PluginError(f"method {method.spec} gives {output} for {expected} a real tensor ({count}, h, w)")
    if maps[0].numel() > MAX_PIXELS:
        raise PluginError(
            f"method {method.spec} gives a map of {_describe(maps[0])}: it has at most {MAX_PIXELS} pixels"
        )
    return maps.detach().to(
        net.device, torch.float32, copy=method.is_users_own
    )  # foreign code may fill one tensor again


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
