"""Blends perturbed images: each is a mix of the image and a substrate, the image with its information removed.

A metric describes the images that it needs (perturbations.py); `blend_images` makes them on the net's device.
"""

from collections.abc import Sequence
from functools import cache
from itertools import groupby

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn.functional import conv2d

from ..core.profiling import time_span
from ..data.types import MEAN
from ..forward.forward import Stream
from .perturbations import Clean, Custom, Inside, Kept, Masked, Perturbed, Substrate

BLUR_SIZE, BLUR_SIGMA = 11, 5.0  # RISE's
TIES = "reading order"  # the first of equal pixels is the higher
BLENDING = (
    f"pixels in [0, 1]; mean = {MEAN}; blur = Gaussian {BLUR_SIZE} x {BLUR_SIZE}, sigma {BLUR_SIGMA:g}, mean outside"
)
RankKey = tuple[int, int | None] | None  # a map's index and the seed of its ties; None if no ranks are needed


def rank_pixels(maps: Tensor, ties: int | None = None) -> Tensor:
    """Return the rank of each pixel of maps (n, h, w): 0 for the highest value; equal values rank in reading order.

    With a seed for `ties`, equal values rank in an order shuffled by it, the same for every map.
    """
    values, pixels = maps.flatten(1), maps[0].numel()
    if ties is None:
        order = values.argsort(dim=1, descending=True, stable=True)
    else:
        shuffled = torch.randperm(pixels, generator=torch.Generator().manual_seed(ties)).to(maps.device)
        order = shuffled[values[:, shuffled].argsort(dim=1, descending=True, stable=True)]
    ranks = torch.arange(pixels, dtype=torch.int32, device=maps.device).expand(order.shape)
    return torch.empty_like(ranks, memory_format=torch.contiguous_format).scatter_(1, order, ranks).view(maps.shape)


def make_substrate(image: Tensor, name: Substrate) -> Tensor:
    """Return what replaces removed pixels of an image (3, h, w) in [0, 1]: black, ImageNet's mean colour, or the blurred image.

    `blur` is RISE's Gaussian blur, `box` the box blur of Gomez et al.; outside the image both see the mean colour.
    """
    if name == "black":
        return torch.zeros_like(image)
    mean = image.new_tensor(MEAN).view(3, 1, 1)
    if name == "mean":
        return mean.expand_as(image)
    # RISE blurs the normalised image and pads it with 0, which is the mean colour here.
    kernel = (_make_gaussian_kernel() if name == "blur" else _make_box_kernel(image.shape[-2])).to(image)
    weight = kernel.expand(3, 1, *kernel.shape)
    return conv2d((image - mean)[None], weight, padding=len(kernel) // 2, groups=3)[0] + mean


def blend_images(image: Tensor, maps: Tensor, requests: Sequence[tuple[int, Perturbed]]) -> Stream:
    """Return a stream of perturbed images (3, h, w) in [0, 1], in the order of the requests.

    A request pairs the index of a map with a description; `maps` are (n, h, w) in [0, 1], fitted to the image (3, h, w).
    """
    perturbed = [description for _, description in requests]
    rank_keys = [_make_rank_key(index, description) for index, description in requests]
    with time_span("ordering"):
        ranks = {key: _compute_ranks(maps, key) for key in dict.fromkeys(rank_keys)}
    bases = {name: make_substrate(image, name) for name in dict.fromkeys(map(_find_substrate, perturbed))}
    groups = [(index, key, *_make_group_key(item)) for (index, item), key in zip(requests, rank_keys, strict=True)]
    rank_bounds = [_find_rank_bounds(item, maps[0].numel()) for item in perturbed]
    bounds = torch.tensor(rank_bounds, dtype=torch.int32, device=image.device)
    first, last = bounds[:, :, None, None].unbind(1)

    def make(start: int, stop: int) -> Tensor:
        images = image.new_empty(stop - start, *image.shape)
        for (index, key, base, _), members in groupby(range(start, stop), key=groups.__getitem__):
            run = list(members)  # of images that differ in the bounds of their ranks alone: they are blended at once
            members_slice, output = slice(run[0], run[-1] + 1), images[run[0] - start : run[-1] - start + 1]
            in_bounds = (ranks[key] >= first[members_slice]) & (ranks[key] < last[members_slice])
            if isinstance(item := perturbed[run[0]], Custom):
                output.copy_(item.image)
            else:
                torch.lerp(
                    bases[base], image, _compute_weights(item, maps[index], in_bounds.to(image))[:, None], out=output
                )
        return images

    return Stream(len(requests), make)


def _compute_weights(perturbed: Perturbed, map_: Tensor, in_bounds: Tensor) -> Tensor:
    """Return the image's weights (n, h, w) in [0, 1]; `in_bounds` (n, h, w) is 1 for a pixel with a rank within the bounds."""
    if isinstance(perturbed, Inside):
        return torch.from_numpy(perturbed.mask).to(in_bounds)[None]
    if isinstance(perturbed, Masked):
        return 1 - map_ * in_bounds if perturbed.inverse else map_ * in_bounds
    return in_bounds


def _make_group_key(perturbed: Perturbed) -> tuple[Substrate, object]:
    """Return what images must share to be blended at once: their substrate, and how a map or a mask gives the weights."""
    if isinstance(perturbed, Masked):
        return perturbed.substrate, perturbed.inverse
    return _find_substrate(perturbed), perturbed if isinstance(perturbed, Inside | Custom) else None


def make_canonical_key(case: int, perturbed: Perturbed, pixels: int, first_case: int = 0) -> tuple[int, Perturbed]:
    """Return the key under which a perturbed image is scored once. Equal perturbed images of several cases have one key.

    An image that does not depend on the map, such as a curve's end point, is keyed by the first case of the same image.
    """
    if isinstance(perturbed, Kept) and perturbed.first <= 0 and perturbed.last >= pixels:
        return first_case, Clean()
    if isinstance(perturbed, Kept) and perturbed.first >= perturbed.last:
        return first_case, Kept(0, 0, perturbed.substrate)
    return (first_case, perturbed) if isinstance(perturbed, Clean | Inside | Custom) else (case, perturbed)


def _find_substrate(perturbed: Perturbed) -> Substrate:
    return "mean" if isinstance(perturbed, Clean | Custom) else perturbed.substrate


def _make_rank_key(index: int, perturbed: Perturbed) -> RankKey:
    if isinstance(perturbed, Kept):
        return index, perturbed.ties
    return (index, None) if isinstance(perturbed, Masked) and perturbed.top is not None else None


def _compute_ranks(maps: Tensor, key: RankKey) -> Tensor:
    """Return the ranks (1, h, w) of a map's pixels; zeros if none are needed."""
    if key is None:
        return torch.zeros_like(maps[:1], dtype=torch.int32)
    index, ties = key
    return rank_pixels(maps[index : index + 1], ties)


def _find_rank_bounds(perturbed: Perturbed, pixels: int) -> tuple[int, int]:
    """Return the first and the last rank, exclusive, of the pixels that are kept or weighted by the map."""
    if isinstance(perturbed, Kept):
        return perturbed.first, perturbed.last
    return 0, pixels if not isinstance(perturbed, Masked) or perturbed.top is None else perturbed.top


@cache
def _make_gaussian_kernel() -> Tensor:
    """Return RISE's kernel: scipy's Gaussian filter of a single point on BLUR_SIZE x BLUR_SIZE pixels."""
    point = np.zeros((BLUR_SIZE, BLUR_SIZE), dtype=np.float32)
    point[BLUR_SIZE // 2, BLUR_SIZE // 2] = 1
    return torch.from_numpy(gaussian_filter(point, BLUR_SIGMA))


def _make_box_kernel(height: int) -> Tensor:
    """Return the uniform kernel of Gomez et al.: its side is a fifth of the image's height, at least 9, made odd."""
    side = max(height // 5, 9) | 1
    return torch.full((side, side), 1 / side**2)
