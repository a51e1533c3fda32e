"""Trading pixels in the order of a map: what a metric may ask the net to score.

A perturbed image is a blend of the image with a substrate (the image with its information removed): the image shows where
`keep` is 1, the substrate where it is 0. A metric says which blends it wants, without images or devices; `blends` makes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import conv2d

from .forward import Stream
from .images import MEAN

BLUR_SIZE, BLUR_SIGMA = 11, 5.0  # RISE's
TIES = "reading order"  # the first of equal pixels is the higher
BLENDING = (
    f"pixels in [0, 1]; mean = {MEAN}; blur = Gaussian {BLUR_SIZE} x {BLUR_SIZE}, sigma {BLUR_SIGMA:g}, mean outside"
)

Substrate = Literal["mean", "black", "blur"]


@dataclass(frozen=True)
class Kept:
    """The image where pixels rank first <= rank < last (0 is the map's highest), the substrate elsewhere."""

    first: int
    last: int
    substrate: Substrate


@dataclass(frozen=True)
class Masked:
    """The image weighted by the map in [0, 1], the substrate by the rest."""

    substrate: Substrate


@dataclass(frozen=True)
class Clean:
    """The image as it is."""


Perturbed = Kept | Masked | Clean


def ranks(maps: Tensor) -> Tensor:
    """The rank of each pixel of maps (n, h, w): 0 the highest value; among equals the first in reading order first."""
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], dtype=torch.int32, device=maps.device).expand(order.shape)
    return torch.empty_like(places, memory_format=torch.contiguous_format).scatter_(1, order, places).view(maps.shape)


def substrate(image: Tensor, name: Substrate) -> Tensor:
    """An image (3, h, w) in [0, 1] with its information removed."""
    if name == "black":
        return torch.zeros_like(image)
    mean = image.new_tensor(MEAN).view(3, 1, 1)
    if name == "mean":
        return mean.expand_as(image)
    # RISE blurs the normalised image and pads it by 0, which is the mean colour here.
    kernel = _gaussian().to(image).expand(3, 1, BLUR_SIZE, BLUR_SIZE)
    return conv2d((image - mean)[None], kernel, padding=BLUR_SIZE // 2, groups=3)[0] + mean


def blends(image: Tensor, maps: Tensor, wanted: Sequence[tuple[int, Perturbed]]) -> Stream:
    """The stream of perturbed images (3, h, w) wanted, each by its map's number and its kind; maps are (n, h, w) in [0, 1]."""
    order, pixels = ranks(maps), maps[0].numel()
    bases = {name: substrate(image, name) for name in {_substrate(kind) for _, kind in wanted}}
    stack, place = torch.stack(list(bases.values())), {name: i for i, name in enumerate(bases)}
    which = torch.tensor([number for number, _ in wanted], device=image.device)
    base = torch.tensor([place[_substrate(kind)] for _, kind in wanted], device=image.device)
    soft = torch.tensor([isinstance(kind, Masked) for _, kind in wanted], device=image.device)
    spans = [(kind.first, kind.last) if isinstance(kind, Kept) else (0, pixels) for _, kind in wanted]
    first, last = torch.tensor(spans, dtype=torch.int32, device=image.device)[:, :, None, None].unbind(1)

    def make(start: int, stop: int) -> Tensor:
        part = slice(start, stop)
        rank = order[which[part]]
        keep = ((rank >= first[part]) & (rank < last[part])).to(image.dtype)
        keep = torch.where(soft[part, None, None], maps[which[part]], keep)
        return torch.lerp(stack[base[part]], image[None], keep[:, None])

    return Stream(len(wanted), make)


def canonical(number: int, kind: Perturbed, pixels: int) -> tuple[int, Perturbed]:
    """The same perturbed image under one name, so that it is scored once: end points do not depend on the map."""
    if isinstance(kind, Kept) and kind.first <= 0 and kind.last >= pixels:
        return 0, Clean()
    if isinstance(kind, Kept) and kind.first >= kind.last:
        return 0, Kept(0, 0, kind.substrate)
    return (0, kind) if isinstance(kind, Clean) else (number, kind)


def _substrate(kind: Perturbed) -> Substrate:
    return "mean" if isinstance(kind, Clean) else kind.substrate


@cache
def _gaussian() -> Tensor:
    """RISE's kernel: a point, smoothed by scipy's filter on BLUR_SIZE x BLUR_SIZE pixels."""
    point = np.zeros((BLUR_SIZE, BLUR_SIZE), dtype=np.float32)
    point[BLUR_SIZE // 2, BLUR_SIZE // 2] = 1
    return torch.from_numpy(gaussian_filter(point, BLUR_SIGMA))
