"""Runs a method again for a metric: on other images, and on nets whose last layers are randomised."""

import copy
import math
from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized
from torch.nn.utils.spectral_norm import SpectralNorm

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..data.seeds import derive_seed
from ..nets.net import Net
from .call_method import call_method, protect
from .case import FloatMap, Rerun

STEPS = 15  # of a power iteration, as torch takes when it applies a spectral norm
_RANDOMISED: WeakKeyDictionary[Net, dict[tuple[float, int], Net]] = WeakKeyDictionary()


class MethodRunner:
    """A method on a net, to be run again on many images at once; `fit` turns its maps into maps (n, h, w) in [0, 1]."""

    def __init__(self, method: Plugin, net: Net, fit: Callable[[Tensor], Tensor], batch: int = 8) -> None:
        self._method, self._net, self._fit = method, net, fit
        self._batch = batch  # images a call

    def explain(self, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
        """Return the maps (n, h, w) of images (n, 3, h, w) for their targets."""
        return self._compute_maps(self._net, images, targets, seeds)

    def explain_randomised(
        self, share: float, seed: int, images: Tensor, targets: Sequence[int], seeds: Sequence[int]
    ) -> Tensor:
        """Return the maps (n, h, w) on the net whose last layers, this share of all, are initialised anew by the seed."""
        return self._compute_maps(randomise(self._net, share, seed), images, targets, seeds)

    def _compute_maps(self, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
        parts = []
        for start in range(0, len(images), self._batch):
            part = slice(start, start + self._batch)
            maps = self._call(net, images[part], targets[part], seeds[part])
            spread = maps.amax((1, 2), keepdim=True) - maps.amin((1, 2), keepdim=True)
            parts.append(self._fit(torch.where(spread.isfinite(), maps, 0)))  # a map with a NaN counts as constant
        return torch.cat(parts)

    def _call(self, net: Net, images: Tensor, targets: Sequence[int], seeds: Sequence[int]) -> Tensor:
        try:
            return call_method(self._method, net, protect(self._method, images), targets, seeds)
        except NotApplicable as reason:
            raise PluginError(f"method {self._method.spec} does not apply when it is run again: {reason}") from reason


def prepare_rerun(runner: MethodRunner, image: Tensor, target: int, seed: int) -> Rerun:
    """Prepare a method to be run again for an image (3, h, w) with a seed, and a target."""

    def explain(images: Tensor) -> FloatMap:
        seeds = [derive_seed(seed, str(number)) for number in range(len(images))]
        maps: FloatMap = runner.explain(images, [target] * len(images), seeds).cpu().numpy()
        return maps

    def explain_randomised(share: float, net_seed: int) -> FloatMap:
        map_: FloatMap = runner.explain_randomised(share, net_seed, image[None], [target], [seed])[0].cpu().numpy()
        return map_

    return Rerun(explain, explain_randomised, runner)


def randomise(net: Net, share: float, seed: int) -> Net:
    """Return a copy of a net whose last layers, this share of those with weights, are made random by the seed.

    A layer is initialised anew as its type is by default; weights that this leaves as they are, such as a net's own
    parameters or those of a weight norm, are shuffled. Buffers, such as those of frozen batch norms, stay. The copy is fp32
    throughout. It is cached as long as the net exists, so that all images and methods see the same one.
    """
    cache = _RANDOMISED.setdefault(net, {})
    if (share, seed) not in cache:
        cache[share, seed] = _randomise(net, share, seed)
    return cache[share, seed]


def _randomise(net: Net, share: float, seed: int) -> Net:
    cut = copy.deepcopy(net.cut)
    layers = _list_layers([module for part in cut.modules.values() for module in part.modules()])
    count = math.ceil(round(share * len(layers), 6))
    generator = torch.Generator().manual_seed(seed)  # another than that of the initialisations
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in reversed(layers[len(layers) - count :]):
            before = [weight.clone() for weight in _list_weights(module)]
            _reset(module)
            kept = zip(_list_weights(module), before, strict=True)
            _shuffle([weight for weight, old in kept if torch.equal(weight, old)], generator)
            _settle(module)
    randomised = Net(net.name, cut, net.classes, "fp32", link=net.link)
    randomised.configure(net.memory_limit)
    return randomised


def _list_layers(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """List the modules that have weights, without those from which torch computes the weights of others."""
    inner = {id(part) for module in modules for part in _list_parametrizations(module)}
    return [module for module in modules if id(module) not in inner and _list_weights(module)]


def _list_weights(module: nn.Module) -> list[Tensor]:
    """List a module's own weights, and those from which torch computes them if they are parametrised."""
    inner = [weight for part in _list_parametrizations(module) for weight in part.parameters(recurse=False)]
    return [*module.parameters(recurse=False), *inner]


def _list_parametrizations(module: nn.Module) -> list[nn.Module]:
    """List the modules from which torch computes the weights of a module, if it is parametrised."""
    return list(module.parametrizations.modules()) if is_parametrized(module) else []  # type: ignore[union-attr, operator]


def _reset(module: nn.Module) -> None:
    """Apply the layer type's default initialisation, if it has one, so that all devices have the same weights.

    It draws them on the CPU, in the usual layout: some versions of torch fill a tensor in the order of its memory.
    """
    if hasattr(module, "reset_parameters"):
        device = next(module.parameters()).device
        module.to("cpu")
        for weight in module.parameters(recurse=False):
            weight.data = weight.data.contiguous()
        module.reset_parameters()  # type: ignore[operator]
        module.to(device)


def _shuffle(weights: Sequence[Tensor], generator: torch.Generator) -> None:
    """Shuffle the values of each weight: it keeps its scale, and nothing of what was learnt."""
    for weight in weights:
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))


def _settle(module: nn.Module) -> None:
    """Let spectral norms find the norms of their new weights: they take a step towards them when used in train mode."""
    hooks = [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, SpectralNorm)]
    names = list(module.parametrizations) if is_parametrized(module) else []  # type: ignore[arg-type]
    if not hooks and not names:
        return
    module.train()
    for _ in range(STEPS):
        for hook in hooks:
            hook(module, ())
        for name in names:
            getattr(module, name)
    module.eval()
