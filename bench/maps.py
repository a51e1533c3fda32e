"""How a map is brought to its image: fitted to the size, then stretched to [0, 1]. Decided here, once, for all methods."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

FIT = "bilinear"  # half-pixel centres (align_corners=False)
STRETCH = "min-max"


def fit(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (n, h', w') at the size (h, w) of their images: (n, h, w)."""
    return interpolate(maps[:, None], size, mode=FIT, align_corners=False)[:, 0]


def stretch(maps: Tensor) -> Tensor:
    """Each map (n, h, w) stretched to [0, 1]; a constant map, which says nothing, becomes 0 everywhere."""
    low, high = (bound[:, None, None] for bound in maps.flatten(1).aminmax(dim=1))
    return (maps - low).div_(torch.where(high > low, high - low, torch.inf))
