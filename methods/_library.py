"""What the wrappers of CAM libraries share: checks of the library's method and layers, and the net cut at these layers."""

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from ..bench.core.errors import UsageError, list_known_names
from ..bench.nets.net import Net

Bounds = tuple[int, float, str]  # fewest and most layers, and what the library's method does with them, for the message


def check_variant(library: str, variant: str, variants: Iterable[str]) -> str:
    """Return the name of a library's method. Raise UsageError if the library has no such method."""
    variants = list(variants)
    if variant not in variants:
        raise UsageError(f"{library} has no method {variant!r}: {list_known_names(variant, variants)}")
    return variant


def check_layers(library: str, variant: str, layers: str, bounds: Mapping[str, Bounds]) -> str:
    """Return the setting `layers`. Raise UsageError if the library's method cannot explain so many or so few layers."""
    if variant in bounds:
        minimum, maximum, reason = bounds[variant]
        if not minimum <= len(parse_layer_names(layers)) <= maximum:
            raise UsageError(f"{library}:{variant} {reason}")
    return layers


def parse_layer_names(layers: str) -> list[str]:
    """Return the names in a setting such as layer3+layer4; none in an empty one."""
    return [name for name in layers.split("+") if name]


def split_net(net: Net, layers: str) -> tuple[nn.Module, Sequence[nn.Sequential]]:
    """Return the net's normalisation, and the rest of the net cut after each of these layers, or after its explained layer."""
    normalise, *parts = net.split_at([next(iter(net.cut.modules)), *(parse_layer_names(layers) or [net.layer])])
    return normalise, parts
