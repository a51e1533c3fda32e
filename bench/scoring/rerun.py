"""Runs a method again for a metric: on other images, and on nets whose last layers are randomised."""

import copy
import math
from collections.abc import Callable
from hashlib import sha256
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..core.plugins import Plugin
from ..nets.net import Net
from .case import FloatMap, Rerun

_RANDOMISED: WeakKeyDictionary[Net, dict[tuple[float, int], Net]] = WeakKeyDictionary()


def prepare_rerun(
    method: Plugin, net: Net, image: Tensor, target: int, postprocess: Callable[[Tensor], Tensor]
) -> Rerun:
    """Prepare a method to be run again for a target; `postprocess` turns its maps (n, h', w') into maps (n, h, w) in [0, 1]."""
    cache: dict[bytes, FloatMap] = {}  # metrics that ask for the map of the same image share it

    def explain(images: Tensor) -> FloatMap:
        key = sha256(images.cpu().numpy().tobytes()).digest()
        if key not in cache:
            cache[key] = _compute_maps(net, images)
        return cache[key]

    def _compute_maps(model: Net, images: Tensor) -> FloatMap:
        targets = torch.full((len(images),), target, device=images.device)
        raw_maps: Tensor = method(model, images.clone(), targets)
        raw_maps = raw_maps.detach().to(images.device, torch.float32)
        is_finite = raw_maps.isfinite().flatten(1).all(1)[:, None, None]
        maps: FloatMap = (
            postprocess(torch.where(is_finite, raw_maps, 0)).cpu().numpy()
        )  # a map with a NaN counts as constant
        return maps

    return Rerun(explain, lambda share, seed: _compute_maps(randomise(net, share, seed), image[None])[0])


def randomise(net: Net, share: float, seed: int) -> Net:
    """Return a copy of a net whose last layers, this share of those with weights, are initialised anew by the seed.

    It is fp32 throughout. It is cached as long as the net exists, so that all images and methods see the same one.
    """
    cache = _RANDOMISED.setdefault(net, {})
    if (share, seed) not in cache:
        cache[share, seed] = _randomise(net, share, seed)
    return cache[share, seed]


def _randomise(net: Net, share: float, seed: int) -> Net:
    cut = copy.deepcopy(net.cut)
    layers = [module for part in cut.modules.values() for module in part.modules() if _is_resettable(module)]
    count = math.ceil(round(share * len(layers), 6))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in reversed(layers[len(layers) - count :]):
            _reset(module)
    randomised = Net(net.name, cut, net.classes, "fp32")
    randomised.configure(net.memory_limit)
    return randomised


def _is_resettable(module: nn.Module) -> bool:
    return hasattr(module, "reset_parameters") and any(True for _ in module.parameters(recurse=False))


def _reset(module: nn.Module) -> None:
    """Apply the layer type's default initialisation on the CPU, so that the weights are the same on every device."""
    device = next(module.parameters()).device
    module.to("cpu").reset_parameters()  # type: ignore[operator]
    module.to(device)
