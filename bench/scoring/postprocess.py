"""How a map is brought to its image: fitted to the size, and stretched to [0, 1]. Decided here, once, for all methods."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..config.protocol import Fit, Protocol, Stretch


def fit(maps: Tensor, size: tuple[int, int], way: Fit = "bilinear") -> Tensor:
    """Maps (n, h', w') at the size (h, w) of their images: (n, h, w)."""
    if way == "nearest":
        return interpolate(maps[:, None], size, mode="nearest-exact")[:, 0]
    mode = "bicubic" if way == "bicubic" else "bilinear"
    return interpolate(maps[:, None], size, mode=mode, align_corners=way == "corners")[:, 0]


def stretch(maps: Tensor, way: Stretch = "min-max") -> Tensor:
    """Each map (n, h, w) brought to [0, 1]; a constant map, which says nothing, becomes 0 everywhere.

    `max` divides what is positive by the highest value, `none` cuts off what lies outside.
    """
    if way == "none":
        return maps.clamp(0, 1)
    low, high = (
        maps.amin((1, 2), keepdim=True),
        maps.amax((1, 2), keepdim=True),
    )  # on a CPU aminmax takes eight times as long
    if way == "max":
        return maps.clamp(min=0).div_(torch.where((high > low) & (high > 0), high, torch.inf))
    return (maps - low).div_(torch.where(high > low, high - low, torch.inf))


def bring(maps: Tensor, size: tuple[int, int], protocol: Protocol) -> Tensor:
    """Maps (n, h', w') as a protocol scores them: (n, h, w) in [0, 1]."""
    if protocol.order == "fit-stretch":
        return stretch(fit(maps, size, protocol.fit), protocol.stretch)
    return fit(stretch(maps, protocol.stretch), size, protocol.fit).clamp(0, 1)
