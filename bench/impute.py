"""Missing pixels made up from their neighbours: ROAD's linear imputation (Rong et al., ICML 2022), before its noise.

Each missing pixel is the weighted mean of its eight neighbours, missing or not: a linear system for each set of them. All
sets of an image are solved at once, on its device, by multigrid: a sweep replaces each missing pixel by its neighbours'
mean, which evens out what differs from pixel to pixel; what is left is smooth, and is corrected on a grid of half the size.
"""

from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from .images import MEAN

DIRECT, DIAGONAL = 1 / 6, 1 / 12  # a neighbour's weight; at the image's edge the weights of those that there are
TOLERANCE = 1e-4  # of the residual's norm, over that of the residual before the first sweep
LEAST_CYCLES, MOST_CYCLES = 5, 30
AT_ONCE = 2**23  # pixels, in all sets that are solved together: what bounds the memory
DENSE = 80  # points of a grid that is solved as a matrix

_AROUND = list(product((-1, 0, 1), repeat=2))  # a point's neighbours and itself, down and right
_WEIGHTS = torch.tensor(
    [[DIAGONAL, DIRECT, DIAGONAL], [DIRECT, 0, DIRECT], [DIAGONAL, DIRECT, DIAGONAL]], dtype=torch.float32
)
_HAT = torch.tensor([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])  # a coarse point's share in those around it


@torch.no_grad()
def impute(image: Tensor, missing: Tensor) -> Tensor:
    """An image (3, h, w) with the pixels of each mask (n, h, w) made up: (n, 3, h, w). Where all are missing, the mean colour."""
    sets = max(1, AT_ONCE // missing[0].numel())
    filled = torch.cat([_Imputation(image, part).solved() for part in missing.split(sets)])
    lost = missing.flatten(1).all(1)[:, None, None, None]
    return torch.where(lost, image.new_tensor(MEAN).view(3, 1, 1), filled)


class _Imputation:
    """The systems of some masks (n, h, w) of an image: planes (1, n * 3, h, w), channels last, for which convolutions are fast."""

    def __init__(self, image: Tensor, missing: Tensor) -> None:
        self.sets, self.height, self.width = missing.shape
        one = missing[:, None].to(image)  # (n, 1, h, w)
        self.total = _around(torch.ones_like(one[:1]), _WEIGHTS)  # of the neighbours' weights
        self.coarse = _Grid(_halved(self._couplings(one)))
        self.missing = self._planes(one.expand(-1, 3, -1, -1))
        self.sweep = self.missing / self.total
        self.known = self._planes(image.expand(self.sets, -1, -1, -1)) * (1 - self.missing)
        self.room = self._planes(one.new_zeros(self.sets, 3, self.height + 3, self.width + 3))

    def solved(self) -> Tensor:
        first = self._residual(self.known).norm(dim=(2, 3))
        values = self._swept(self.known)
        for cycle in range(1, MOST_CYCLES + 1):
            values = self._swept(self._corrected(values))
            values, residual = self._swept(values), None
            if cycle >= LEAST_CYCLES:
                residual = self._residual(values).norm(dim=(2, 3))
                if bool((residual <= TOLERANCE * first).all()):
                    break
        return values.reshape(self.sets, 3, self.height, self.width)

    def _couplings(self, missing: Tensor) -> Tensor:
        """What each missing pixel's equation holds of the missing ones around it (n, 9, h, w): A x = b of the known ones."""
        held = torch.cat(_shifted(missing), 1).mul_(missing).mul_(-_WEIGHTS.to(missing).view(9, 1, 1))
        held[:, 4] = (self.total * missing)[:, 0]
        return held

    def _planes(self, images: Tensor) -> Tensor:
        return images.reshape(1, -1, *images.shape[2:]).contiguous(memory_format=torch.channels_last)

    def _swept(self, values: Tensor) -> Tensor:
        return torch.addcmul(self.known, self.sweep, _around(values, _WEIGHTS))

    def _residual(self, values: Tensor) -> Tensor:
        return _around(values, _WEIGHTS).addcmul_(values, self.total, value=-1).mul_(self.missing)

    def _corrected(self, values: Tensor) -> Tensor:
        left = _around(_fitted(self._residual(values)), _HAT, stride=2, padding=0)
        error = self.coarse.solve(left.reshape(self.sets, 3, *left.shape[2:]).contiguous())
        tall, wide = left.shape[2:]
        self.room[..., 1 : 2 * tall : 2, 1 : 2 * wide : 2] = error.reshape(left.shape)
        spread = _around(self.room, _HAT, padding=0)[..., : self.height, : self.width]
        return torch.addcmul(values, self.missing, spread)


class _Grid:
    """A x = b on a coarse grid: `held` (n, 9, h, w) is what each point's equation holds of those around it."""

    def __init__(self, held: Tensor) -> None:
        self.held, self.size = held, held.shape[2:]
        most = torch.maximum(held[:, 4:5], held.abs().sum(1, keepdim=True) / 2)  # a bound that keeps every sweep stable
        self.sweep = torch.where(most > 0, 1 / most, 0.0)
        points = self.size[0] * self.size[1]
        self.inverse: Tensor | None = None
        self.coarse: _Grid | None = None
        if points <= DENSE or min(self.size) < 3:
            each = torch.eye(points).to(held).view(1, points, *self.size).expand(len(held), -1, -1, -1)
            dead = torch.diag_embed((held[:, 4] == 0).flatten(1).to(held))
            self.inverse = torch.linalg.inv(self._applied(each).flatten(2) + dead)
        else:
            self.coarse = _Grid(_halved(held))

    def solve(self, right: Tensor, *, full: bool = True) -> Tensor:
        """About x for b (n, 3, h, w): a cycle in which the coarser grid is asked twice, unless not in full."""
        if self.coarse is None:
            assert self.inverse is not None
            return (right.flatten(2) @ self.inverse).view_as(right)
        found = self.sweep * right
        for again in (True, False) if full else (False,):
            left = right - self._applied(found)
            found = found + _finer(self.coarse.solve(_coarser(left), full=again), self.size)
        return found.addcmul_(self.sweep, right - self._applied(found))

    def _applied(self, values: Tensor) -> Tensor:
        parts = _shifted(values)
        total = self.held[:, :1] * parts[0]
        for number in range(1, 9):
            total.addcmul_(self.held[:, number : number + 1], parts[number])
        return total


def _shifted(values: Tensor) -> list[Tensor]:
    """Each point's neighbours and itself, in the order of _AROUND; 0 outside."""
    height, width = values.shape[2:]
    room = pad(values, (1, 1, 1, 1))
    return [room[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in _AROUND]


def _around(planes: Tensor, weights: Tensor, stride: int = 1, padding: int = 1) -> Tensor:
    """The weighted sum of what lies around each point, plane by plane."""
    count = planes.shape[1]
    return conv2d(planes, weights.to(planes).repeat(count, 1, 1, 1), stride=stride, padding=padding, groups=count)


def _fitted(values: Tensor) -> Tensor:
    """With room for a coarse grid on every other point, the first and one at or beyond the last among them."""
    height, width = values.shape[2:]
    return pad(values, (1, 2 - width % 2, 1, 2 - height % 2))


def _coarser(values: Tensor) -> Tensor:
    count, colours = values.shape[:2]
    room = _fitted(values)
    small = _around(room.view(1, -1, *room.shape[2:]), _HAT, stride=2, padding=0)
    return small.view(count, colours, *small.shape[2:])


def _finer(values: Tensor, size: torch.Size) -> Tensor:
    count, colours, height, width = values.shape
    room = values.new_zeros(1, count * colours, 2 * height + 1, 2 * width + 1)
    room[..., 1::2, 1::2] = values.view(1, -1, height, width)
    return _around(room, _HAT, padding=0)[..., : size[0], : size[1]].reshape(count, colours, *size)


def _halved(held: Tensor) -> Tensor:
    """The equations of the coarse points (n, 9, h, w): those of the fine ones, with shares in the coarse ones for values."""
    return conv2d(_fitted(held), _galerkin().to(held), stride=2)


def _galerkin() -> Tensor:
    """(9, 9, 3, 3): for each coarse neighbour and each fine one, the products of the two shares, by fine point."""

    def share(y: int, x: int) -> float:
        return float(_HAT[y + 1, x + 1]) if max(abs(y), abs(x)) <= 1 else 0.0

    products = [
        share(*point) * share(point[0] + fine[0] - 2 * coarse[0], point[1] + fine[1] - 2 * coarse[1])
        for coarse, fine, point in product(_AROUND, repeat=3)
    ]
    return torch.tensor(products).view(9, 9, 3, 3)
