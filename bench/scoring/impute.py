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

from ..data.types import MEAN

DIRECT, DIAGONAL = (
    2,
    1,
)  # a neighbour's weight, over the sum of all: of 12, but at the image's edge of those that there are
TOLERANCE = 5e-5  # of the residual's norm, over that of the residual with the missing pixels black
LEAST_CYCLES, MOST_CYCLES = 4, 20
AT_ONCE = 2**22  # pixels, in all sets that are solved together: what bounds the memory
DENSE = 100  # points of a grid that is solved as a matrix

Table = tuple[tuple[float, ...], ...]

_AROUND = list(product((-1, 0, 1), repeat=2))  # a point's neighbours and itself: rows down, columns right
_WEIGHTS: Table = ((DIAGONAL, DIRECT, DIAGONAL), (DIRECT, 0, DIRECT), (DIAGONAL, DIRECT, DIAGONAL))
_SHARES: Table = ((0.25, 0.5, 0.25), (0.5, 1, 0.5), (0.25, 0.5, 0.25))  # a coarse point's, in the fine ones around it


@torch.no_grad()
def impute(image: Tensor, missing: Tensor) -> Tensor:
    """An image (3, h, w) with the pixels of each mask (n, h, w) made up: (n, 3, h, w); all missing, the mean colour."""
    sets = max(1, AT_ONCE // missing[0].numel())
    filled = torch.cat([_Imputation(image, part).solved() for part in missing.split(sets)])
    filled[missing.flatten(1).all(1)] = image.new_tensor(MEAN).view(3, 1, 1)
    return filled


class _Imputation:
    """The systems of some masks (n, h, w) of an image, as planes (1, n * 3, h, w), channels last: quick to convolve.

    They have an odd number of rows and columns, so that every other one from the first to the last makes a coarse grid.
    """

    def __init__(self, image: Tensor, missing: Tensor) -> None:
        self.sets, self.height, self.width = missing.shape
        one = _odd(missing[:, None].to(image))  # (n, 1, h, w)
        total = _odd(_around(torch.ones_like(image[None, :1]), _WEIGHTS))  # of the neighbours' weights
        self.total = total.clamp_min(DIAGONAL)
        self.coarse = _Grid(_halved(self._couplings(one)))
        self.missing = self._planes(one.expand(-1, 3, -1, -1))
        self.sweep = self.missing / self.total
        self.known = self._planes(_odd(image[None]).expand(self.sets, -1, -1, -1)).mul_(1 - self.missing)
        self.room = torch.zeros_like(self.known)

    def solved(self) -> Tensor:
        values, residual = self.known, self._residual(self.known)
        first = residual.norm(dim=(2, 3))
        for cycle in range(1, MOST_CYCLES + 1):
            values = self._swept(self._swept(self._corrected(values, residual)))
            residual = self._residual(values)
            if cycle >= LEAST_CYCLES and bool((residual.norm(dim=(2, 3)) <= TOLERANCE * first).all()):
                break
        return values[..., : self.height, : self.width].reshape(self.sets, 3, self.height, self.width)

    def _couplings(self, missing: Tensor) -> Tensor:
        """What each missing pixel's equation holds of the missing ones around it (n, 9, h, w)."""
        held = torch.cat(_shifted(missing), 1).mul_(missing).mul_(-_table(_WEIGHTS, missing).view(9, 1, 1))
        held[:, 4] = (self.total * missing)[:, 0]
        return held

    def _planes(self, images: Tensor) -> Tensor:
        return images.reshape(1, -1, *images.shape[2:]).contiguous(memory_format=torch.channels_last)

    def _swept(self, values: Tensor) -> Tensor:
        return torch.addcmul(self.known, self.sweep, _around(values, _WEIGHTS))

    def _residual(self, values: Tensor) -> Tensor:
        return _around(values, _WEIGHTS).addcmul_(values, self.total, value=-1).mul_(self.missing)

    def _corrected(self, values: Tensor, residual: Tensor) -> Tensor:
        left = _around(residual, _SHARES, stride=2)
        error = self.coarse.solve(left.reshape(self.sets, 3, *left.shape[2:]).contiguous())
        self.room[..., ::2, ::2] = error.view(left.shape)
        return torch.addcmul(values, self.missing, _around(self.room, _SHARES))


class _Grid:
    """A x = b on a coarse grid: `held` (n, 9, h, w) is what each point's equation holds of those around it."""

    def __init__(self, held: Tensor) -> None:
        self.held, self.size = held, held.shape[2:]
        most = torch.maximum(held[:, 4:5], held.abs().sum(1, keepdim=True) / 2)  # with which no sweep goes too far
        self.sweep = torch.where(most > 0, 1 / most, 0.0)
        small = self.size.numel() <= DENSE or min(self.size) < 3
        self.inverse = self._inverse() if small else None
        self.coarse = None if small else _Grid(_halved(_odd(held)))

    def solve(self, right: Tensor, *, full: bool = True) -> Tensor:
        """About x for b (n, 3, h, w): a cycle in which the coarser grid is asked twice, unless it is not to be a full one."""
        if self.inverse is not None:
            return (right.flatten(2) @ self.inverse).view_as(right)
        assert self.coarse is not None
        found = self._finer(self.coarse.solve(self._coarser(right), full=full))
        if full:
            found += self._finer(self.coarse.solve(self._coarser(right - self._applied(found)), full=False))
        return found.addcmul_(self.sweep, right - self._applied(found))

    def _inverse(self) -> Tensor:
        points = self.size.numel()
        each = torch.eye(points).to(self.held).view(1, points, *self.size).expand(len(self.held), -1, -1, -1)
        system = self._applied(each).flatten(2)
        # Few missing pixels under many coarse points leave these undetermined: a little of the identity decides.
        ridge = 1e-5 * system.diagonal(dim1=1, dim2=2).amax(1).clamp_min(1e-6)
        return torch.linalg.inv(system + ridge[:, None, None] * torch.eye(points).to(system))

    def _applied(self, values: Tensor) -> Tensor:
        parts = _shifted(values)
        total = self.held[:, :1] * parts[0]
        for number in range(1, 9):
            total.addcmul_(self.held[:, number : number + 1], parts[number])
        return total

    def _coarser(self, values: Tensor) -> Tensor:
        planes = _odd(values).flatten(0, 1)[None]
        small = _around(planes, _SHARES, stride=2)
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


def _halved(held: Tensor) -> Tensor:
    """The equations of the coarse points (n, 9, h, w): those of the fine ones, with shares in the coarse ones for values."""
    return conv2d(held, _products().to(held), stride=2, padding=1)


def _table(weights: Table, like: Tensor) -> Tensor:
    return torch.tensor(weights, dtype=like.dtype, device=like.device)


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
