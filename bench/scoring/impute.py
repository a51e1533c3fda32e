"""ROAD's noisy linear imputation, before its noise: missing pixels are interpolated from their neighbours.

Each missing pixel is the weighted mean of its eight neighbours, missing or not, which gives a linear system for each set of
missing pixels (Rong et al., ICML 2022). All sets of an image are solved at once, on its device, by multigrid: a smoothing
sweep replaces each missing pixel by its neighbours' mean, which removes differences between adjacent pixels; the remaining
smooth error is corrected on a grid of half the size.
"""

from functools import cache
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from ..data.types import MEAN

DIRECT, DIAGONAL = 2, 1  # weights of neighbours, over the sum of all weights: 12, or less at the image's edge
# The residual's norm is then at most 1e-4 of that with the missing pixels black. The number of cycles is fixed, so that the
# result does not depend on the other masks, and a GPU need not wait for a check.
CYCLES = 5
AT_ONCE = 2**22  # pixels in all sets that are solved together: limits the memory
CPU_AT_ONCE = 2**19  # on a CPU: with more, the caches limit the speed
DENSE = 100  # points of a grid that is solved as a matrix

Kernel = tuple[tuple[float, ...], ...]

_OFFSETS = list(product((-1, 0, 1), repeat=2))  # of a point's neighbours and itself: rows down, columns right
_NEIGHBOURS: Kernel = ((DIAGONAL, DIRECT, DIAGONAL), (DIRECT, 0, DIRECT), (DIAGONAL, DIRECT, DIAGONAL))
_TRANSFER: Kernel = (
    (0.25, 0.5, 0.25),
    (0.5, 1, 0.5),
    (0.25, 0.5, 0.25),
)  # shares of a coarse point in the fine ones around it


@torch.no_grad()
def impute(image: Tensor, missing: Tensor) -> Tensor:
    """Return the image (3, h, w) with the missing pixels of each mask (n, h, w) imputed: (n, 3, h, w).

    Where all pixels are missing, the result is ImageNet's mean colour.
    """
    limit = CPU_AT_ONCE if missing.device.type == "cpu" else AT_ONCE
    batch = max(1, limit // missing[0].numel())
    imputed = torch.cat([_Imputation(image, masks).solve() for masks in missing.split(batch)])
    is_all_missing = missing.flatten(1).all(1)[:, None, None, None]
    return torch.where(is_all_missing, make_mean_colour(image.device), imputed)


@cache
@torch.inference_mode(False)  # it may be part of a differentiable product
def make_mean_colour(device: torch.device) -> Tensor:
    """Return ImageNet's mean colour (3, 1, 1) on a device."""
    return torch.tensor(MEAN, device=device).view(3, 1, 1)


class _Imputation:
    """The linear systems of some masks (n, h, w) of an image.

    Tensors are planes (1, n * 3, h, w), channels last, which is fast to convolve. They are padded to an odd number of rows and
    columns, so that every other one, from the first to the last, makes a coarse grid.
    """

    def __init__(self, image: Tensor, missing: Tensor) -> None:
        self.sets, self.height, self.width = missing.shape
        masks = _pad_to_odd(missing[:, None].to(image))  # (n, 1, h, w)
        total = _pad_to_odd(_convolve(torch.ones_like(image[None, :1]), _NEIGHBOURS))  # of the neighbours' weights
        self.total = total.clamp_min(DIAGONAL)
        self.coarse = _Grid(_coarsen_stencils(self._make_stencils(masks)))
        self.missing = self._to_planes(masks.expand(-1, 3, -1, -1))
        self.sweep_weights = self.missing / self.total
        self.known = self._to_planes(_pad_to_odd(image[None]).expand(self.sets, -1, -1, -1)).mul_(1 - self.missing)
        self.buffer = torch.zeros_like(self.known)

    def solve(self) -> Tensor:
        """Return the imputed images (n, 3, h, w)."""
        values, residual = self.known, self._compute_residual(self.known)
        for _ in range(CYCLES):
            values = self._sweep(self._sweep(self._correct(values, residual)))
            residual = self._compute_residual(values)
        return values[..., : self.height, : self.width].reshape(self.sets, 3, self.height, self.width)

    def _make_stencils(self, missing: Tensor) -> Tensor:
        """Return the coefficients (n, 9, h, w) of each missing pixel's equation, one for each missing neighbour and itself."""
        kernel = _make_depthwise_kernels(_NEIGHBOURS, 1, missing.dtype, missing.device).view(9, 1, 1)
        stencils = torch.cat(_shift(missing), 1).mul_(missing).mul_(-kernel)
        stencils[:, 4] = (self.total * missing)[:, 0]
        return stencils

    def _to_planes(self, images: Tensor) -> Tensor:
        return images.reshape(1, -1, *images.shape[2:]).contiguous(memory_format=torch.channels_last)

    def _sweep(self, values: Tensor) -> Tensor:
        """Replace each missing pixel by the weighted mean of its neighbours (a Jacobi sweep)."""
        return torch.addcmul(self.known, self.sweep_weights, _convolve(values, _NEIGHBOURS))

    def _compute_residual(self, values: Tensor) -> Tensor:
        return _convolve(values, _NEIGHBOURS).addcmul_(values, self.total, value=-1).mul_(self.missing)

    def _correct(self, values: Tensor, residual: Tensor) -> Tensor:
        """Return the values plus the coarse grid's solution for the residual."""
        coarse = _convolve(residual, _TRANSFER, stride=2)
        error = self.coarse.solve(coarse.reshape(self.sets, 3, *coarse.shape[2:]).contiguous())
        self.buffer[..., ::2, ::2] = error.view(coarse.shape)
        return torch.addcmul(values, self.missing, _convolve(self.buffer, _TRANSFER))


class _Grid:
    """The systems A x = b on a coarse grid: `stencils` (n, 9, h, w) are A's coefficients around each point."""

    def __init__(self, stencils: Tensor) -> None:
        self.stencils, self.size = stencils, stencils.shape[2:]
        bound = torch.maximum(
            stencils[:, 4:5], stencils.abs().sum(1, keepdim=True) / 2
        )  # keeps a sweep from overshooting
        self.sweep_weights = torch.where(bound > 0, 1 / bound, 0.0)
        is_small = self.size.numel() <= DENSE or min(self.size) < 3
        self.inverse = self._invert() if is_small else None
        self.coarse = None if is_small else _Grid(_coarsen_stencils(_pad_to_odd(stencils)))

    def solve(self, right: Tensor, *, full: bool = True) -> Tensor:
        """Return an approximation of x for b (n, 3, h, w): a full multigrid cycle visits the coarser grid twice, else once."""
        if self.inverse is not None:
            return (right.flatten(2) @ self.inverse).view_as(right)
        assert self.coarse is not None
        values = self._refine(self.coarse.solve(self._coarsen(right), full=full))
        if full:
            values += self._refine(self.coarse.solve(self._coarsen(right - self._apply(values)), full=False))
        return values.addcmul_(self.sweep_weights, right - self._apply(values))

    def _invert(self) -> Tensor:
        """Return the inverses of the systems on the coarsest grid."""
        points = self.size.numel()
        unit = torch.eye(points, device=self.stencils.device)
        columns = unit.view(1, points, *self.size).expand(len(self.stencils), -1, -1, -1)
        system = self._apply(columns).flatten(2)
        # Few missing pixels leave many coarse points undetermined; a small multiple of the identity determines them.
        ridge = 1e-5 * system.diagonal(dim1=1, dim2=2).amax(1).clamp_min(1e-6)
        # inv() would wait for the device, to raise for a singular system, which the ridge excludes
        inverse: Tensor = torch.linalg.inv_ex(system + ridge[:, None, None] * unit).inverse
        return inverse

    def _apply(self, values: Tensor) -> Tensor:
        """Return A x."""
        shifts = _shift(values)
        total = self.stencils[:, :1] * shifts[0]
        for index in range(1, 9):
            total.addcmul_(self.stencils[:, index : index + 1], shifts[index])
        return total

    def _coarsen(self, values: Tensor) -> Tensor:
        """Restrict values (n, c, h, w) to the coarser grid, which has every other point."""
        planes = _pad_to_odd(values).flatten(0, 1)[None]
        coarse = _convolve(planes, _TRANSFER, stride=2)
        return coarse.view(*values.shape[:2], *coarse.shape[2:])

    def _refine(self, values: Tensor) -> Tensor:
        """Interpolate values (n, c, h', w') of the coarser grid to this one."""
        buffer = _pad_to_odd(values.new_zeros(1, values.shape[0] * values.shape[1], *self.size))
        buffer[..., ::2, ::2] = values.flatten(0, 1)
        fine = _convolve(buffer, _TRANSFER)[..., : self.size[0], : self.size[1]]
        return fine.reshape(*values.shape[:2], *self.size)


def _pad_to_odd(values: Tensor) -> Tensor:
    """Append a row and a column of zeros if their number is even."""
    height, width = values.shape[2:]
    return values if height % 2 and width % 2 else pad(values, (0, 1 - width % 2, 0, 1 - height % 2))


def _shift(values: Tensor) -> list[Tensor]:
    """Return each point's neighbours and itself, in the order of _OFFSETS; 0 outside."""
    height, width = values.shape[2:]
    padded = pad(values, (1, 1, 1, 1))
    return [padded[..., 1 + y : 1 + y + height, 1 + x : 1 + x + width] for y, x in _OFFSETS]


def _convolve(planes: Tensor, kernel: Kernel, stride: int = 1) -> Tensor:
    """Return the sum around each point weighted by a 3 x 3 kernel, plane by plane."""
    count = planes.shape[1]
    return conv2d(
        planes, _make_depthwise_kernels(kernel, count, planes.dtype, planes.device), None, stride, 1, 1, count
    )


def _coarsen_stencils(stencils: Tensor) -> Tensor:
    """Return the coarse grid's stencils (n, 9, h', w'): the fine equations with the transfer's shares as values (Galerkin)."""
    return conv2d(stencils, _compute_stencil_products(stencils.device), stride=2, padding=1)


@cache
def _make_depthwise_kernels(kernel: Kernel, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(kernel, dtype=dtype, device=device).repeat(count, 1, 1, 1)


@cache
def _compute_stencil_products(device: torch.device) -> Tensor:
    """Return (9, 9, 3, 3), by coarse neighbour, fine neighbour and fine point: the point's share times the fine neighbour's."""

    def share(y: int, x: int) -> float:
        return _TRANSFER[y + 1][x + 1] if max(abs(y), abs(x)) <= 1 else 0.0

    products = [
        share(*point) * share(point[0] + fine[0] - 2 * coarse[0], point[1] + fine[1] - 2 * coarse[1])
        for coarse, fine, point in product(_OFFSETS, repeat=3)
    ]
    return torch.tensor(products, device=device).view(9, 9, 3, 3)
