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
from .images import MEAN, Mask
from .spans import span

BLUR_SIZE, BLUR_SIGMA = 11, 5.0  # RISE's
TIES = "reading order"  # the first of equal pixels is the higher
BLENDING = (
    f"pixels in [0, 1]; mean = {MEAN}; blur = Gaussian {BLUR_SIZE} x {BLUR_SIZE}, sigma {BLUR_SIGMA:g}, mean outside"
)

Substrate = Literal["mean", "black", "blur", "box"]


@dataclass(frozen=True)
class Kept:
    """The image where pixels rank first <= rank < last (0 is the map's highest), the substrate elsewhere.

    Equal pixels rank in reading order, or shuffled by the seed `ties` where one is given.
    """

    first: int
    last: int
    substrate: Substrate
    ties: int | None = None


@dataclass(frozen=True)
class Masked:
    """The image weighted by the map in [0, 1], the substrate by the rest, or the other way round.

    Where `top` is given, all but so many of the map's highest pixels count as 0.
    """

    substrate: Substrate
    top: int | None = None
    inverse: bool = False


@dataclass(frozen=True)
class Clean:
    """The image as it is."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The image inside a mask (h, w), the substrate outside."""

    mask: Mask
    substrate: Substrate


@dataclass(frozen=True, eq=False)
class Own:
    """An image (3, h, w) in [0, 1] that the metric made itself, on the net's device."""

    image: Tensor


Perturbed = Kept | Masked | Clean | Shown | Own


def ranks(maps: Tensor, ties: int | None = None) -> Tensor:
    """The rank of each pixel of maps (n, h, w): 0 the highest value; among equals the first in reading order first.

    With a seed for `ties`, equal pixels are in an order shuffled by it, the same for every map.
    """
    pixels = maps[0].numel()
    seen = torch.arange(pixels, device=maps.device)
    if ties is not None:
        seen = torch.randperm(pixels, generator=torch.Generator().manual_seed(ties)).to(maps.device)
    order = seen[maps.flatten(1)[:, seen].argsort(dim=1, descending=True, stable=True)]
    places = torch.arange(pixels, dtype=torch.int32, device=maps.device).expand(order.shape)
    return torch.empty_like(places, memory_format=torch.contiguous_format).scatter_(1, order, places).view(maps.shape)


def substrate(image: Tensor, name: Substrate) -> Tensor:
    """An image (3, h, w) in [0, 1] with its information removed."""
    if name == "black":
        return torch.zeros_like(image)
    mean = image.new_tensor(MEAN).view(3, 1, 1)
    if name == "mean":
        return mean.expand_as(image)
    # The normalised image is blurred and padded by 0, which is the mean colour here.
    kernel = (_gaussian() if name == "blur" else _box(image.shape[-2])).to(image)
    return (
        conv2d((image - mean)[None], kernel.expand(3, 1, *kernel.shape), padding=len(kernel) // 2, groups=3)[0] + mean
    )


def blends(image: Tensor, maps: Tensor, wanted: Sequence[tuple[int, Perturbed]]) -> Stream:
    """The stream of perturbed images (3, h, w) wanted, each by its map's number and its kind; maps are (n, h, w) in [0, 1]."""
    pixels, kinds = maps[0].numel(), [kind for _, kind in wanted]
    keys = [(n, _ties(kind)) if _by_rank(kind) else None for n, kind in wanted]
    orders = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    with span("ordering"):
        order = torch.cat([_order(maps, key) for key in orders])
    bases = {name: place for place, name in enumerate(dict.fromkeys(map(_substrate, kinds)))}
    stack = torch.stack([substrate(image, name) for name in bases])
    device = image.device
    which = torch.tensor([orders[key] for key in keys], device=device)
    number = torch.tensor([n for n, _ in wanted], device=device)
    base = torch.tensor([bases[_substrate(kind)] for kind in kinds], device=device)
    soft = torch.tensor([isinstance(kind, Masked) for kind in kinds], device=device)[:, None, None]
    inverse = torch.tensor([isinstance(kind, Masked) and kind.inverse for kind in kinds], device=device)[:, None, None]
    spans = torch.tensor([_span(kind, pixels) for kind in kinds], dtype=torch.int32, device=device)
    first, last = spans[:, :, None, None].unbind(1)

    def make(start: int, stop: int) -> Tensor:
        part = slice(start, stop)
        rank = order[which[part]]
        keep = ((rank >= first[part]) & (rank < last[part])).to(image.dtype)
        keep = torch.where(soft[part], maps[number[part]] * keep, keep)
        keep = torch.where(inverse[part], 1 - keep, keep)
        for place, kind in enumerate(kinds[part]):
            if isinstance(kind, Shown):
                keep[place] = torch.from_numpy(kind.mask).to(keep)
        images = torch.lerp(stack[base[part]], image[None], keep[:, None])
        for place, kind in enumerate(kinds[part]):
            if isinstance(kind, Own):
                images[place] = kind.image
        return images

    return Stream(len(wanted), make)


def canonical(number: int, kind: Perturbed, pixels: int, first: int = 0) -> tuple[int, Perturbed]:
    """The same perturbed image under one name, so that it is scored once.

    What does not depend on the map, as the end points of curves, goes under the number of the image's first map.
    """
    if isinstance(kind, Kept) and kind.first <= 0 and kind.last >= pixels:
        return first, Clean()
    if isinstance(kind, Kept) and kind.first >= kind.last:
        return first, Kept(0, 0, kind.substrate)
    return (first, kind) if isinstance(kind, Clean | Shown | Own) else (number, kind)


def _substrate(kind: Perturbed) -> Substrate:
    return "mean" if isinstance(kind, Clean | Own) else kind.substrate


def _by_rank(kind: Perturbed) -> bool:
    """Whether pixels are told apart by their rank: of the whole image, and of none of it, they are not."""
    return isinstance(kind, Kept) or (isinstance(kind, Masked) and kind.top is not None)


def _order(maps: Tensor, key: tuple[int, int | None] | None) -> Tensor:
    """The ranks (1, h, w) of a map's pixels in an order; no rank is asked for without a key."""
    if key is None:
        return torch.zeros_like(maps[:1], dtype=torch.int32)
    number, ties = key
    return ranks(maps[number : number + 1], ties)


def _ties(kind: Perturbed) -> int | None:
    return kind.ties if isinstance(kind, Kept) else None


def _span(kind: Perturbed, pixels: int) -> tuple[int, int]:
    """The ranks of the pixels that are kept, or weighted by the map."""
    if isinstance(kind, Kept):
        return kind.first, kind.last
    return 0, pixels if not isinstance(kind, Masked) or kind.top is None else kind.top


@cache
def _gaussian() -> Tensor:
    """RISE's kernel: a point, smoothed by scipy's filter on BLUR_SIZE x BLUR_SIZE pixels."""
    point = np.zeros((BLUR_SIZE, BLUR_SIZE), dtype=np.float32)
    point[BLUR_SIZE // 2, BLUR_SIZE // 2] = 1
    return torch.from_numpy(gaussian_filter(point, BLUR_SIGMA))


def _box(height: int) -> Tensor:
    """Gomez's kernel: a square of the odd number next to a fifth of the image's height, 9 at least, all alike."""
    side = max(height // 5, 9) | 1
    return torch.full((side, side), 1 / side**2)
