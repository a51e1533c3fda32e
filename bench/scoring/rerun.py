"""A method asked again: on other images, and on nets of which the layers from the top down are random."""

import copy
import math
from collections.abc import Callable
from hashlib import sha256
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..core.plugins import Plugin
from ..nets.net import Net
from .case import Again, FloatMap

_RANDOM: WeakKeyDictionary[Net, dict[tuple[float, int], Net]] = WeakKeyDictionary()


def again(method: Plugin, net: Net, image: Tensor, target: int, bring: Callable[[Tensor], Tensor]) -> Again:
    """The method on a net for a target; `bring` fits and stretches its maps to the image (3, h, w)."""

    known: dict[bytes, FloatMap] = {}  # metrics that show the method the same image share its map

    def explain(images: Tensor) -> FloatMap:
        key = sha256(images.cpu().numpy().tobytes()).digest()
        if key not in known:
            known[key] = _maps(net, images)
        return known[key]

    def _maps(one: Net, images: Tensor) -> FloatMap:
        targets = torch.full((len(images),), target, device=images.device)
        maps: Tensor = method(one, images.clone(), targets)
        given = maps.detach().to(images.device, torch.float32)
        sound = given.isfinite().flatten(1).all(1)[:, None, None]
        found: FloatMap = bring(torch.where(sound, given, 0)).cpu().numpy()  # what is not finite counts as constant
        return found

    return Again(explain, lambda share, seed: _maps(randomised(net, share, seed), image[None])[0])


def randomised(net: Net, share: float, seed: int) -> Net:
    """A net of the same line whose last layers, this share of those with weights, are initialised anew by the seed.

    It is fp32 throughout and kept as long as the net is: every image and method meets the same one.
    """
    known = _RANDOM.setdefault(net, {})
    if (share, seed) not in known:
        known[share, seed] = _randomised(net, share, seed)
    return known[share, seed]


def _randomised(net: Net, share: float, seed: int) -> Net:
    cut = copy.deepcopy(net.cut)
    layers = [module for part in cut.line.values() for module in part.modules() if _weighted(module)]
    count = math.ceil(round(share * len(layers), 6))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in reversed(layers[len(layers) - count :]):
            _renew(module)
    found = Net(net.name, cut, net.classes, "fp32")
    found.tune(net.memory)
    return found


def _weighted(module: nn.Module) -> bool:
    return hasattr(module, "reset_parameters") and any(True for _ in module.parameters(recurse=False))


def _renew(module: nn.Module) -> None:
    """As the layer's kind is initialised by default, drawn on the CPU, so that every device has the same weights."""
    place = next(module.parameters()).device
    module.to("cpu").reset_parameters()  # type: ignore[operator]
    module.to(place)
