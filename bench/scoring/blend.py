"""Blends perturbed images: each is a mix of the image and a fill, the image with its information removed.

A metric describes the images that it needs (perturbations.py); `blend_images` makes them on the net's device.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache, singledispatch
from itertools import accumulate, groupby
from typing import Literal

import numpy as np
import torch
from scipy.linalg import toeplitz
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..core.profiling import time_span
from ..data.types import MEAN
from ..forward.device import move_to_device
from ..forward.forward import Stream
from .impute import impute, make_mean_colour
from .perturbations import (
    Bounds,
    Clean,
    Custom,
    CustomSeries,
    Fill,
    ImputedSeries,
    Inside,
    InsideSeries,
    Kept,
    KeptSeries,
    Masked,
    Perturbed,
    RegionSeries,
    Series,
    Ties,
)

BLUR_SIZE, BLUR_SIGMA = 11, 5.0  # RISE's
READING = "reading"  # the value of a setting `ties` that stands for TIES
TIES = "reading order"  # the first of equal pixels is the higher
BLENDING = (
    f"pixels in [0, 1]; mean = {MEAN}; blur = Gaussian {BLUR_SIZE} x {BLUR_SIZE}, sigma {BLUR_SIGMA:g}, mean outside"
)
MOST_EXACT = 2**24  # whole numbers up to this one are exact in fp32
Paint = Callable[[int, int, Tensor], object]  # (start, stop, output): writes these images of a request into the output
Request = tuple[int, Perturbed | Series]  # the index of a map, and what is asked of it


def rank_pixels(maps: Tensor, ties: Ties = "reading") -> Tensor:
    """Return the rank of each pixel of maps (n, h, w): 0 for the highest value; equal values rank in reading order.

    With a seed for `ties`, equal values rank in an order shuffled by it, the same for every map; with `reverse`, the last in
    reading order is the higher.
    """
    values, pixels = maps.flatten(1), maps[0].numel()
    if ties == "reading":
        order = _order_pixels(values)
    else:
        first_to_last = move_to_device(_order_ties(pixels, ties), maps.device)
        order = first_to_last[_order_pixels(values[:, first_to_last])]
    ranks = torch.arange(pixels, dtype=torch.int32, device=maps.device).expand(order.shape)
    return torch.empty_like(ranks, memory_format=torch.contiguous_format).scatter_(1, order, ranks).view(maps.shape)


def sort_pixels(maps: Tensor) -> Tensor:
    """Return the values (n, pixels) of maps (n, h, w), the lowest first. On a CPU, NumPy sorts ten times as fast as torch."""
    values = maps.flatten(1)
    if values.device.type != "cpu":
        return values.sort(dim=1).values
    return torch.from_numpy(np.sort(values.numpy(), axis=1))


def _order_pixels(values: Tensor) -> Tensor:
    """Return the indices (n, pixels) of finite values (n, pixels) in each row: the highest first, equal ones in their order.

    A CPU sorts whole numbers, each a value's bits followed by its index, which is faster than torch's stable sort.
    """
    if values.device.type != "cpu" or values.dtype != torch.float32:
        return values.argsort(dim=1, descending=True, stable=True)
    bits = (values.numpy() + np.float32(0)).view(np.int32)  # + 0, because -0 equals 0
    # Of negative numbers the one with the lower bits is the higher.
    ascending = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))
    keys = (~ascending).astype(np.int64) << 32 | np.arange(values.shape[1])
    keys.sort(axis=1)
    return torch.from_numpy(keys & 0xFFFFFFFF)


def _order_ties(pixels: int, ties: Ties) -> Tensor:
    """Return the pixels in the order in which they rank if all are equal, other than the reading order."""
    if isinstance(ties, int):
        return torch.randperm(pixels, generator=torch.Generator().manual_seed(ties))
    return torch.arange(pixels - 1, -1, -1)


def make_fill(image: Tensor, name: Fill) -> Tensor:
    """Return what replaces removed pixels of an image (3, h, w) in [0, 1]: black, ImageNet's mean colour, or the blurred image.

    `blur` is RISE's Gaussian blur, `box` the box blur of Gomez et al.; outside the image both see the mean colour.
    """
    if name == "black":
        return torch.zeros_like(image)
    mean = make_mean_colour(image.device)
    if name == "mean":
        return mean.expand_as(image)
    height, width = image.shape[1:]
    kernel = _list_gaussian() if name == "blur" else _list_box(height)
    rows, columns = (_make_blur_matrix(kernel, length, image.device) for length in (height, width))
    # RISE blurs the normalised image and pads it with 0, which is the mean colour here.
    return rows @ (image - mean) @ columns + mean


class Ranks:
    """The ranks of the pixels of maps (n, h, w), computed for all maps at once when the first is asked for."""

    def __init__(self, maps: Tensor) -> None:
        self._maps = maps
        self._ranks: dict[tuple[Ties, bool], Tensor] = {}

    def take(self, index: int, ties: Ties = "reading", *, ascending: bool = False) -> Tensor:
        """Return the ranks (h, w) of a map's pixels, as `rank_pixels` does; from the lowest value if `ascending`.

        They are fp32 where that is exact: on a CPU, comparing fp32 with a result in fp32 takes half of the time.
        """
        key = ties, ascending
        if key not in self._ranks:
            with time_span("ordering"):
                ranks = rank_pixels(-self._maps if ascending else self._maps, ties)
            self._ranks[key] = ranks.float() if ranks[0].numel() <= MOST_EXACT else ranks
        return self._ranks[key][index]


class Canvas:
    """An image (3, h, w) in [0, 1], and a batch's maps (n, h, w) in [0, 1]; its fills and their ranks are made once."""

    def __init__(self, image: Tensor, maps: Tensor, ranks: Ranks | None = None) -> None:
        self.image, self.maps = image, maps
        self.ranks = ranks or Ranks(maps)
        self.pixels = image.shape[1] * image.shape[2]
        self._fills: dict[Fill, Tensor] = {}

    def make_fill(self, name: Fill) -> Tensor:
        """Return what replaces removed pixels of the image."""
        if name not in self._fills:
            self._fills[name] = make_fill(self.image, name)
        return self._fills[name]


def blend_images(canvas: Canvas, requests: Sequence[Request]) -> Stream:
    """Return a stream of perturbed images (3, h, w) in [0, 1], in the order of the requests; a series is a run of images."""
    return blend_all([(canvas, requests)])


def blend_all(requests: Sequence[tuple[Canvas, Sequence[Request]]]) -> Stream:
    """Return one stream of the perturbed images of several images of one size, image by image."""
    parts = [part for canvas, of_image in requests for part in _prepare_image(canvas, of_image)]
    ends, image = list(accumulate(count for count, _ in parts)), requests[0][0].image

    def make(start: int, stop: int) -> Tensor:
        images = image.new_empty(stop - start, *image.shape)
        for number, first, last, place in _find_parts(ends, start, stop):
            parts[number][1](first, last, images[place])
        return images

    return Stream(ends[-1], make)


def _prepare_image(canvas: Canvas, requests: Sequence[Request]) -> Iterator[tuple[int, Paint]]:
    for _, group in groupby(requests, key=_find_group):
        yield from _prepare_parts(canvas, list(group))


def _find_parts(ends: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, int, int, slice]]:
    """Find what parts of a stream the images from start to stop are in, given where each part ends.

    Yield the part's number, the first and the last of its images, exclusive, and their place among the images asked for.
    """
    for number in range(bisect_right(ends, start), len(ends)):
        begin = ends[number - 1] if number else 0
        low, high = max(start, begin), min(stop, ends[number])
        if low >= stop:
            return
        yield number, low - begin, high - begin, slice(low - start, high - start)


def count_images(perturbed: Perturbed | Series) -> int:
    """Return how many images a request has."""
    return len(perturbed) if isinstance(perturbed, Series) else 1


def _find_group(request: Request) -> object:
    """Return what neighbouring requests share if they are blended at once: an image masked by maps, or imputed."""
    perturbed = request[1]
    if isinstance(perturbed, ImputedSeries):
        return ImputedSeries, id(perturbed.noise)
    return perturbed if isinstance(perturbed, Masked) else None


def _prepare_parts(canvas: Canvas, group: list[Request]) -> Iterator[tuple[int, Paint]]:
    """Yield the parts of a stream, each with its number of images: one for a group of several maps."""
    indices, masked = [index for index, _ in group], group[0][1]
    if isinstance(masked, Masked) and indices == list(range(indices[0], indices[-1] + 1)):
        yield len(group), _paint_masked(canvas, slice(indices[0], indices[-1] + 1), masked)
        return
    if isinstance(masked, ImputedSeries):
        yield sum(count_images(perturbed) for _, perturbed in group), _paint_imputed(canvas, group)
        return
    for index, perturbed in group:
        yield count_images(perturbed), prepare_paint(perturbed, canvas, index)


@singledispatch
def prepare_paint(perturbed: Perturbed | Series, canvas: Canvas, index: int) -> Paint:
    """Return the function that makes the images of a request for the map with this index."""
    raise TypeError(f"no perturbed image: {perturbed!r}")


@prepare_paint.register
def _(perturbed: Clean, canvas: Canvas, index: int) -> Paint:
    return lambda _start, _stop, output: output.copy_(canvas.image)


@prepare_paint.register
def _(perturbed: Masked, canvas: Canvas, index: int) -> Paint:
    return _paint_masked(canvas, slice(index, index + 1), perturbed)


@prepare_paint.register
def _(perturbed: Kept, canvas: Canvas, index: int) -> Paint:
    return prepare_paint(
        KeptSeries(((perturbed.first, perturbed.last),), perturbed.fill, perturbed.ties), canvas, index
    )


@prepare_paint.register
def _(perturbed: KeptSeries, canvas: Canvas, index: int) -> Paint:
    return _paint_bounds(canvas, canvas.ranks.take(index, perturbed.ties), perturbed.bounds, perturbed.fill)


@prepare_paint.register
def _(perturbed: RegionSeries, canvas: Canvas, index: int) -> Paint:
    ranks = move_to_device(torch.from_numpy(perturbed.ranks.astype(np.int32)), canvas.image.device)
    return _paint_bounds(canvas, ranks, perturbed.bounds, perturbed.fill)


@prepare_paint.register
def _(perturbed: Inside, canvas: Canvas, index: int) -> Paint:
    return prepare_paint(InsideSeries(perturbed.mask[None], perturbed.fill), canvas, index)


@prepare_paint.register
def _(perturbed: InsideSeries, canvas: Canvas, index: int) -> Paint:
    masks = move_to_device(torch.from_numpy(perturbed.masks), canvas.image.device)
    base = canvas.make_fill(perturbed.fill)

    def paint(start: int, stop: int, output: Tensor) -> None:
        torch.lerp(base, canvas.image, masks[start:stop, None].to(base), out=output)

    return paint


@prepare_paint.register
def _(perturbed: Custom, canvas: Canvas, index: int) -> Paint:
    return lambda _start, _stop, output: output.copy_(perturbed.image)


@prepare_paint.register
def _(perturbed: CustomSeries, canvas: Canvas, index: int) -> Paint:
    return lambda start, stop, output: output.copy_(perturbed.images[start:stop])


@prepare_paint.register
def _(perturbed: ImputedSeries, canvas: Canvas, index: int) -> Paint:
    return _paint_imputed(canvas, [(index, perturbed)])


def _paint_imputed(canvas: Canvas, group: Sequence[Request]) -> Paint:
    """Impute the missing pixels of several maps at once; all requests are series with the same noise."""
    series = [(index, perturbed) for index, perturbed in group if isinstance(perturbed, ImputedSeries)]
    tests = [_make_missing_test(canvas, index, perturbed) for index, perturbed in series]
    ends, noise = list(accumulate(len(perturbed) for _, perturbed in series)), series[0][1].noise

    def paint(start: int, stop: int, output: Tensor) -> None:
        missing = torch.cat([tests[number](first, last) for number, first, last, _ in _find_parts(ends, start, stop)])
        torch.addcmul(impute(canvas.image, missing), noise, missing[:, None].to(output), out=output)

    return paint


def _make_missing_test(canvas: Canvas, index: int, series: ImputedSeries) -> Callable[[int, int], Tensor]:
    """Return a function that tells for some images of a series which pixels are missing: booleans (n, h, w)."""
    if not series.thresholds:
        ranks = canvas.ranks.take(index, ascending=series.ascending)
        return _make_bounds_test(ranks, series.bounds, canvas.pixels)
    values = 1 - canvas.maps[index] if series.ascending else canvas.maps[index]
    limits = move_to_device(torch.tensor(series.thresholds), values.device)[:, None, None]
    return lambda start, stop: values >= limits[start:stop]


def _paint_bounds(canvas: Canvas, ranks: Tensor, bounds: Bounds, fill: Fill) -> Paint:
    """Show the image where a pixel's rank (h, w) is within the bounds, and the fill elsewhere."""
    base = canvas.make_fill(fill)
    show = _make_bounds_test(ranks, bounds, canvas.pixels, base.dtype)

    def paint(start: int, stop: int, output: Tensor) -> None:
        torch.lerp(base, canvas.image, show(start, stop)[:, None], out=output)

    return paint


def _make_bounds_test(
    ranks: Tensor, bounds: Bounds, pixels: int, dtype: torch.dtype = torch.bool
) -> Callable[[int, int], Tensor]:
    """Return a function that tells for some of the bounds which ranks (h, w) are within them: (n, h, w), 1 or 0 as `dtype`."""
    first, last = _move_bounds(bounds, pixels, ranks.dtype, ranks.device)

    def test(start: int, stop: int) -> Tensor:
        within = ranks.new_empty(stop - start, *ranks.shape, dtype=dtype)  # a comparison can write any type at once
        if first is None and last is not None:
            return torch.lt(ranks, last[start:stop], out=within)
        if first is None:
            return within.fill_(1)
        torch.ge(ranks, first[start:stop], out=within)
        return within if last is None else within.mul_(ranks < last[start:stop])

    return test


@lru_cache(maxsize=64)  # the curves of all maps of an image size are equal
def _move_bounds(
    bounds: Bounds, pixels: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    """Return the first and the last ranks (n, 1, 1) of bounds, on a device; None for those that leave no pixel out."""
    moved = move_to_device(torch.tensor(bounds, dtype=torch.int32), device)
    first, last = moved[:, :, None, None].to(dtype).unbind(1)
    from_first, below_last = any(low > 0 for low, _ in bounds), any(high < pixels for _, high in bounds)
    return first if from_first else None, last if below_last else None


def _paint_masked(canvas: Canvas, indices: slice, masked: Masked) -> Paint:
    """Weight the image by each of some maps, and the fill by the rest."""
    base, weights = canvas.make_fill(masked.fill), canvas.maps[indices]
    if masked.top is not None:
        ranks = [canvas.ranks.take(index) for index in range(indices.start, indices.stop)]
        weights = weights * (torch.stack(ranks) < masked.top)
    if masked.inverse:
        weights = 1 - weights

    def paint(start: int, stop: int, output: Tensor) -> None:
        torch.lerp(base, canvas.image, weights[start:stop, None], out=output)

    return paint


Piece = tuple[bool, Perturbed | Series]  # whether it depends on the map, and a request for a part of the images


def split_request(perturbed: Perturbed | Series, pixels: int) -> list[Piece]:
    """Split a request into pieces, so that equal perturbed images of several requests are one piece.

    A curve's end points, the whole image and the fill alone, do not depend on the map.
    """
    if isinstance(perturbed, Kept):
        return list(
            _split_kept(KeptSeries(((perturbed.first, perturbed.last),), perturbed.fill, perturbed.ties), pixels)
        )
    if isinstance(perturbed, KeptSeries):
        return list(_split_kept(perturbed, pixels))
    return [(isinstance(perturbed, Masked | RegionSeries | ImputedSeries), perturbed)]


@lru_cache(maxsize=64)  # the curves of all maps of an image size are equal
def _split_kept(series: KeptSeries, pixels: int) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for kind, group in groupby(series.bounds, key=lambda bounds: _classify_bounds(bounds, pixels)):
        bounds = tuple(group)
        if kind == "all":
            pieces += [(False, Clean())] * len(bounds)
        elif kind == "none":
            pieces += [(False, Kept(0, 0, series.fill))] * len(bounds)
        elif len(bounds) == 1:
            pieces.append((True, Kept(*bounds[0], series.fill, series.ties)))
        else:
            pieces.append((True, KeptSeries(bounds, series.fill, series.ties)))
    return tuple(pieces)


def _classify_bounds(bounds: tuple[int, int], pixels: int) -> Literal["all", "none", "some"]:
    if bounds[0] >= bounds[1]:
        return "none"
    return "all" if bounds[0] <= 0 and bounds[1] >= pixels else "some"


@cache
def _list_gaussian() -> tuple[float, ...]:
    """List RISE's weights in one direction: scipy's Gaussian filter of a single point among BLUR_SIZE pixels."""
    point = np.zeros(BLUR_SIZE)
    point[BLUR_SIZE // 2] = 1
    return tuple(gaussian_filter1d(point, BLUR_SIGMA).tolist())


def _list_box(height: int) -> tuple[float, ...]:
    """List Gomez et al.'s equal weights in one direction: as many as a fifth of the image's height, at least 9, made odd."""
    side = max(height // 5, 9) | 1
    return (1 / side,) * side


@lru_cache(maxsize=16)  # for the sides of images of a few sizes
@torch.inference_mode(False)  # it may be part of a differentiable product
def _make_blur_matrix(kernel: tuple[float, ...], length: int, device: torch.device) -> Tensor:
    """Return the symmetric matrix (length, length) that blurs a row or a column of pixels by a kernel, with 0 outside."""
    weights = np.zeros(max(length, len(kernel)), dtype=np.float32)
    weights[: len(kernel) // 2 + 1] = kernel[len(kernel) // 2 :]
    return torch.from_numpy(toeplitz(weights[:length])).to(device)
