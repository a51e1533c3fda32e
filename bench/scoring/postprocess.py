"""Fits a map to its image's size and stretches it to [0, 1], for all methods and metrics.

bench/show/postprocess.py does the same without torch, for pictures; tests/show/test_postprocess.py holds the two equal.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..config.protocol import Fit, Protocol, Stretch
from ..forward.device import find_widest_dtype


def fit(maps: Tensor, size: tuple[int, int], mode: Fit = "bilinear") -> Tensor:
    """Resize maps (n, h', w') to their images' size (h, w): (n, h, w).

    `corners` is bilinear interpolation with the corner pixels' centres aligned; the other modes align the pixels' edges.
    """
    if mode == "nearest":
        return interpolate(maps[:, None], size, mode="nearest-exact")[:, 0]
    kernel = "bicubic" if mode == "bicubic" else "bilinear"
    return interpolate(maps[:, None], size, mode=kernel, align_corners=mode == "corners")[:, 0]


def stretch(maps: Tensor, mode: Stretch = "min-max") -> Tensor:
    """Bring each map (n, h, w) to [0, 1]; a constant map, which carries no information, becomes 0 everywhere.

    `min-max` maps the lowest value to 0 and the highest to 1; `max` sets negative values to 0 and divides by the highest;
    `none` clips to [0, 1] and leaves constant maps otherwise as they are.
    """
    if mode == "none":
        return maps.clamp(0, 1)
    low, high = (
        maps.amin((1, 2), keepdim=True),
        maps.amax((1, 2), keepdim=True),
    )  # on a CPU eight times as fast as aminmax
    if mode == "max":
        return maps.clamp(min=0).div_(torch.where((high > low) & (high > 0), high, torch.inf))
    return (maps - low).div_(torch.where(high > low, high - low, torch.inf))


def postprocess(maps: Tensor, size: tuple[int, int], protocol: Protocol) -> Tensor:
    """Fit and stretch maps (n, h', w') in the order and the ways of a protocol: (n, h, w) in [0, 1]."""
    if protocol.order == "fit-stretch":
        return stretch(_fit_exactly(maps, size, protocol.fit), protocol.stretch)
    return _fit_exactly(stretch(maps, protocol.stretch), size, protocol.fit).clamp(0, 1)


def _fit_exactly(maps: Tensor, size: tuple[int, int], mode: Fit) -> Tensor:
    """Resize maps (n, h', w') as `fit` does; where neighbours are equal, so are the pixels between them.

    The rounding errors of float32 make noise of a constant map, which `stretch` would bring to [0, 1]. A device without float64
    keeps them.
    """
    if mode == "nearest":
        return fit(maps, size, mode)
    return fit(maps.to(find_widest_dtype(maps.device)), size, mode).to(maps.dtype)
