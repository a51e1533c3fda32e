"""Trading pixels in the order of a map: what a metric may ask the net to score.

A perturbed image is a blend of the image with a substrate (the image with its information removed): the image shows where
`keep` is 1, the substrate where it is 0. A metric says which blends it wants, without images or devices; `blends` makes them.
"""

from collections.abc import Sequence
from functools import cache
from itertools import groupby

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import conv2d

from ..core.profiling import span
from ..data.types import MEAN
from ..forward.forward import Stream
from .perturbations import Clean, Kept, Masked, Own, Perturbed, Shown, Substrate

BLUR_SIZE, BLUR_SIGMA = 11, 5.0  # RISE's
TIES = "reading order"  # the first of equal pixels is the higher
BLENDING = (
    f"pixels in [0, 1]; mean = {MEAN}; blur = Gaussian {BLUR_SIZE} x {BLUR_SIZE}, sigma {BLUR_SIGMA:g}, mean outside"
)


def ranks(maps: Tensor, ties: int | None = None) -> Tensor:
    """The rank of each pixel of maps (n, h, w): 0 the highest value; among equals the first in reading order first.

    With a seed for `ties`, equal pixels are in an order shuffled by it, the same for every map.
    """
    values, pixels = maps.flatten(1), maps[0].numel()
    if ties is None:
        order = values.argsort(dim=1, descending=True, stable=True)
    else:
        seen = torch.randperm(pixels, generator=torch.Generator().manual_seed(ties)).to(maps.device)
        order = seen[values[:, seen].argsort(dim=1, descending=True, stable=True)]
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
    weight = kernel.expand(3, 1, *kernel.shape)
    return conv2d((image - mean)[None], weight, padding=len(kernel) // 2, groups=3)[0] + mean


def blends(image: Tensor, maps: Tensor, wanted: Sequence[tuple[int, Perturbed]]) -> Stream:
    """The stream of perturbed images (3, h, w) wanted, each by its map's number and its kind; maps are (n, h, w) in [0, 1]."""
    pixels = maps[0].numel()
    keys = [(n, kind.ties if isinstance(kind, Kept) else None) if _by_rank(kind) else None for n, kind in wanted]
    with span("ordering"):
        order = {key: _order(maps, key) for key in dict.fromkeys(keys)}
    kinds = [kind for _, kind in wanted]
    stack = {name: substrate(image, name) for name in dict.fromkeys(map(_substrate, kinds))}
    looks = [(n, key, *_look(kind)) for (n, kind), key in zip(wanted, keys, strict=True)]
    spans = torch.tensor([_span(kind, pixels) for kind in kinds], dtype=torch.int32, device=image.device)
    first, last = spans[:, :, None, None].unbind(1)

    def make(start: int, stop: int) -> Tensor:
        made = image.new_empty(stop - start, *image.shape)
        for (number, key, name, _), same in groupby(range(start, stop), key=looks.__getitem__):
            run = list(same)  # whose images differ in the ranks' bounds alone
            part, out = slice(run[0], run[-1] + 1), made[run[0] - start : run[-1] - start + 1]
            ranked = (order[key] >= first[part]) & (order[key] < last[part])
            _blend(kinds[run[0]], image, stack[name], maps[number], ranked, out)
        return made

    return Stream(len(wanted), make)


def _look(kind: Perturbed) -> tuple[Substrate, object]:
    """What images must share to be blended at once: their substrate, and how a map or a mask tells what is kept."""
    if isinstance(kind, Masked):
        return kind.substrate, kind.inverse
    return _substrate(kind), kind if isinstance(kind, Shown | Own) else None


def _blend(kind: Perturbed, image: Tensor, base: Tensor, map_: Tensor, ranked: Tensor, out: Tensor) -> None:
    """Images (n, 3, h, w) of a kind into `out`; `ranked` (n, h, w) is true where a pixel's rank is within the kind's bounds."""
    if isinstance(kind, Own):
        out.copy_(kind.image)
        return
    share = torch.from_numpy(kind.mask).to(image)[None] if isinstance(kind, Shown) else ranked.to(image)
    if isinstance(kind, Masked):
        share = 1 - map_ * share if kind.inverse else map_ * share
    torch.lerp(base, image, share[:, None], out=out)


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
