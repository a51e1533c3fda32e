"""Missing pixels made up from their neighbours: ROAD's linear imputation (Rong et al., ICML 2022), before its noise.

Each missing pixel is the weighted mean of its eight neighbours, missing or not: a linear system for each set of them. All
sets of an image are solved at once, on its device, by multigrid: a sweep replaces each missing pixel by its neighbours'
mean, which evens out what differs from pixel to pixel; what is left is smooth, and is corrected on a grid of half the size.
"""

from functools import cache
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from .images import MEAN

DIRECT, DIAGONAL = 2, 1  # a neighbour's weight, over the sum of all: of 12, but at the image's edge of those that there are
TOLERANCE = 1e-4  # of the residual's norm on the first coarse grid, over that at the start
LEAST_CYCLES, MOST_CYCLES = 4, 20
AT_ONCE = 2**22  # pixels, in all sets that are solved together: what bounds the memory
DENSE = 100  # points of a grid that is solved as a matrix

Table = tuple[tuple[float, ...], ...]

_AROUND = list(product((-1, 0, 1), repeat=2))  # a point's neighbours and itself: rows down, columns right
_WEIGHTS: Table = ((DIAGONAL, DIRECT, DIAGONAL), (DIRECT, 0, DIRECT), (DIAGONAL, DIRECT, DIAGONAL))
_SHARES: Table = ((0.25, 0.5, 0.25), (0.5, 1, 0.5), (0.25, 0.5, 0.25))  # a coarse point's, in the fine ones around it


@torch.no_grad()
def impute(image: Tensor, missing: Tensor) -> Tensor:
    """An image (3, h, w) with the pixels of each mask (n, h, w) made up: (n, 3, h, w). Where all are missing, the mean colour."""
    filled = image.new_empty(len(missing), *image.shape)
    sets = max(1, AT_ONCE // missing[0].numel())
    for part, found in zip(missing.split(sets), filled.split(sets), strict=True):
        _Imputation(image, part).solve(found)
    filled[missing.flatten(1).all(1)] = image.new_tensor(MEAN).view(3, 1, 1)
    return filled


class _Imputation:
    """The systems of some masks (n, h, w) of an image, as planes (1, n * 3, h, w), channels last: quick to convolve.

    They have an odd number of rows and columns, so that every other one from the first to the last makes a coarse grid.
    """

    def __init__(self, image: Tensor, missing: Tensor) -> None:
        self.sets, self.height, self.width = missing.shape
        one = _odd(missing[:, None].to(image))  # (n, 1, h, w)
        self.total = _odd(_around(torch.ones_like(image[None, :1]), _WEIGHTS)).clamp_min(DIAGONAL)
        self.coarse = _Grid(self._first_grid(one))
        self.missing = self._planes(one)
        self.missing.view(self.sets, 3, *one.shape[2:]).copy_(one)
        self.sweep = self.missing / self.total
        self.mean = self._mean(image, ~missing)
        self.known = self._planes(one)
        torch.sub(image, self.mean, out=self._images(self.known))
        self.known.addcmul_(self.known, self.missing, value=-1)
        self.room = self._planes(one)

    def solve(self, found: Tensor) -> None:
        """Writes the images (n, 3, h, w), as far as _values says."""
        torch.add(self._images(self._values()), self.mean, out=found)

    def _values(self) -> Tensor:
        values, first = self.known, torch.empty(0)
        for cycle in range(MOST_CYCLES):
            left = self._left(values)
            size = left.flatten(1).norm(dim=1)
            if cycle == 0:
                first = size
            elif cycle >= LEAST_CYCLES and bool((size <= TOLERANCE * first).all()):
                break
            values = self._swept(self._swept(self._corrected(values, left)))
        return values

    def _planes(self, one: Tensor) -> Tensor:
        shape = (1, self.sets * 3, *one.shape[2:])
        return torch.zeros(shape, dtype=one.dtype, device=one.device).to(memory_format=torch.channels_last)

    def _images(self, planes: Tensor) -> Tensor:
        return planes.view(self.sets, 3, *planes.shape[2:])[..., : self.height, : self.width]

    def _mean(self, image: Tensor, known: Tensor) -> Tensor:
        """Of each set's known colours (n, 3, 1, 1): what the values are taken from, for single precision to go far."""
        shown = known.to(image).flatten(1)
        return (shown @ image.flatten(1).T / shown.sum(1, keepdim=True).clamp_min(1))[..., None, None]

    def _first_grid(self, missing: Tensor) -> Tensor:
        """What a coarse point's equation holds, of what each missing pixel's holds of the missing ones around it."""
        held = missing.new_empty(self.sets, 9, *missing.shape[2:])
        for number, shifted in enumerate(_shifted(missing)):
            torch.mul(shifted, missing, out=held[:, number : number + 1])
        held[:, 4:5] *= self.total
        weights = -torch.tensor(_WEIGHTS, dtype=held.dtype).view(9)
        weights[4] = 1
        return conv2d(held, _products().to(held) * weights.to(held).view(9, 1, 1), stride=2, padding=1)

    def _swept(self, values: Tensor) -> Tensor:
        around = _around(values, _WEIGHTS)
        return torch.addcmul(self.known, self.sweep, around, out=around)

    def _left(self, values: Tensor) -> Tensor:
        """The residual, on the first coarse grid (n, 3, h, w)."""
        residual = _around(values, _WEIGHTS).addcmul_(values, self.total, value=-1).mul_(self.missing)
        left = _around(residual, _SHARES, stride=2)
        return left.view(self.sets, 3, *left.shape[2:]).contiguous()

    def _corrected(self, values: Tensor, left: Tensor) -> Tensor:
        self.room[..., ::2, ::2] = self.coarse.solve(left).flatten(0, 1)
        spread = _around(self.room, _SHARES)
        return torch.addcmul(values, self.missing, spread, out=spread)


class _Grid:
    """A x = b on a coarse grid: `held` (n, 9, h, w) is what each point's equation holds of those around it."""

    def __init__(self, held: Tensor) -> None:
        self.held, self.size = held, held.shape[2:]
        most = torch.maximum(held[:, 4:5], held.abs().sum(1, keepdim=True) / 2)  # with which no sweep goes too far
        self.sweep = torch.where(most > 0, 1 / most, 0.0)
        small = self.size.numel() <= DENSE or min(self.size) < 3
        self.inverse = self._inverse() if small else None
        self.coarse = None if small else _Grid(conv2d(_odd(held), _products().to(held), stride=2, padding=1))

    def solve(self, right: Tensor, *, full: bool = True) -> Tensor:
        """About x for b (n, 3, h, w): a cycle in which the coarser grid is asked twice, unless it is not to be a full one."""
        if self.coarse is None:
            return (right.flatten(2) @ self.inverse).view_as(right)
        found = self._finer(self.coarse.solve(self._coarser(right), full=full))
        if full:
            found += self._finer(self.coarse.solve(self._coarser(right - self._applied(found)), full=False))
        return found.addcmul_(self.sweep, right - self._applied(found))

    def _inverse(self) -> Tensor:
        points = self.size.numel()
        each = torch.eye(points).to(self.held).view(1, points, *self.size).expand(len(self.held), -1, -1, -1)
        unused = torch.diag_embed((self.held[:, 4] == 0).flatten(1).to(self.held))
        return torch.linalg.inv(self._applied(each).flatten(2) + unused)

    def _applied(self, values: Tensor) -> Tensor:
        held, parts = self.held.split(1, 1), _shifted(values)
        total = held[0] * parts[0]
        for own, part in zip(held[1:], parts[1:], strict=True):
            total.addcmul_(own, part)
        return total

    def _coarser(self, values: Tensor) -> Tensor:
        small = _around(_odd(values).flatten(0, 1)[None], _SHARES, stride=2)
        return small.view(*values.shape[:2], *small.shape[2:])

    def _finer(self, values: Tensor) -> Tensor:
        room = _odd(values.new_zeros(1, values.shape[0] * values.shape[1], *self.size))
        room[..., ::2, ::2] = values.flatten(0, 1)
        spread = _around(room, _SHARES)[..., : self.size[0], : self.size[1]]
        return spread.reshape(*values.shape[:2], *self.size)


def _odd(values: Tensor) -> Tensor:
    """With a row and a column of zeros more, where their number is even."""
    height, width = values.shape[2:]
    return values if height % 2 and width % 2 else pad(values, (0, 1 - width % 2, 0, 1 - height % 2))


def _shifted(values: Tensor) -> list[Tensor]:
    """Each point's neighbours and itself, in the order of _AROUND; 0 outside."""
    height, width = values.shape[2:]
    room = pad(values, (1, 1, 1, 1))
    return [room[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in _AROUND]


def _around(planes: Tensor, weights: Table, stride: int = 1) -> Tensor:
    """The weighted sum of what lies around each point, plane by plane."""
    count = planes.shape[1]
    return conv2d(planes, _kernels(weights, count, planes.dtype, planes.device), None, stride, 1, 1, count)


@cache
def _kernels(weights: Table, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(weights, dtype=dtype, device=device).repeat(count, 1, 1, 1)


@cache
def _products() -> Tensor:
    """(9, 9, 3, 3): of a coarse neighbour's and a fine one's, by point: the share in oneself times that in the neighbour."""

    def share(y: int, x: int) -> float:
        return _SHARES[y + 1][x + 1] if max(abs(y), abs(x)) <= 1 else 0.0

    found = [
        share(*point) * share(point[0] + fine[0] - 2 * coarse[0], point[1] + fine[1] - 2 * coarse[1])
        for coarse, fine, point in product(_AROUND, repeat=3)
    ]
    return torch.tensor(found).view(9, 9, 3, 3)
