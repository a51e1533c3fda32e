"""The bound on the rounding of a map of the first component: it holds for SVDs that round otherwise, and is not too wide."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray

from cambench.bench.conform.rounding import bound_projections

Array = NDArray[Any]
SIZES = [(49, 512), (36, 20), (4, 3)]  # positions and channels


def make_matrix(positions: int, channels: int, gap: float, seed: int = 0) -> Array:
    """A matrix of activations whose two largest singular values, centred, are 10 and 10 (1 - gap)."""
    rng = np.random.default_rng(seed)
    count = min(positions - 1, channels)
    centred = rng.normal(size=(positions, count))
    left = np.linalg.qr(centred - centred.mean(0))[0]
    right = np.linalg.qr(rng.normal(size=(channels, count)))[0]
    values = np.array([10, 10 * (1 - gap), *np.linspace(5 * (1 - gap), 0.1, max(0, count - 2))])[:count]
    return (left * values) @ right.T + rng.uniform(0, 0.2, channels)


def to_activations(matrix: Array) -> torch.Tensor:
    return torch.from_numpy(matrix.T[None, :, :, None].copy())


def project(matrix: Array, find_direction: Callable[[Array], Array]) -> Array:
    """The map of a matrix in its own precision, with the direction of an SVD."""
    centred = matrix - matrix.mean(0, dtype=matrix.dtype)
    result: Array = centred @ find_direction(centred).astype(matrix.dtype)
    return result


def by_driver(driver: Literal["gesdd", "gesvd"]) -> Callable[[Array], Array]:
    return lambda matrix: scipy.linalg.svd(matrix, full_matrices=False, lapack_driver=driver)[2][0]


def by_permuted_rows(matrix: Array) -> Array:
    order = np.random.default_rng(1).permutation(len(matrix))
    direction: Array = np.linalg.svd(matrix[order], full_matrices=False)[2][0]
    return direction


def by_transpose(matrix: Array) -> Array:
    direction: Array = np.linalg.svd(matrix.T, full_matrices=False)[0][:, 0]
    return direction


def by_torch(matrix: Array) -> Array:
    return torch.linalg.svd(torch.from_numpy(matrix), full_matrices=False).Vh[0].numpy()


SVDS = [by_driver("gesdd"), by_driver("gesvd"), by_permuted_rows, by_transpose, by_torch]


def difference(map_: Array, exact: Array) -> float:
    """The largest difference of two maps whose signs are left to chance."""
    return float(min(np.abs(sign * map_ - exact).max() for sign in (1, -1)))


@pytest.mark.parametrize("gap", [0.5, 0.1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize(("positions", "channels"), SIZES)
def test_every_svd_in_float32_is_within_the_bound(positions: int, channels: int, gap: float) -> None:
    for seed in range(3):
        matrix = make_matrix(positions, channels, gap, seed).astype(np.float32)
        exact = project(matrix.astype(np.float64), by_driver("gesvd"))
        bound = float(bound_projections(to_activations(matrix)))
        assert all(difference(project(matrix, svd), exact) <= bound for svd in SVDS)


@pytest.mark.parametrize(("gap", "widest"), [(0.5, 1e-4), (0.1, 1e-3), (1e-3, 0.1)])
def test_the_bound_is_wide_only_where_the_gap_is_small(gap: float, widest: float) -> None:
    """By the theorem it is about sqrt(2) eps (sqrt(512) + 8 |A| / s1) (1 - gap) / gap, of s1 = 10."""
    matrix = make_matrix(49, 512, gap)
    bound = float(bound_projections(to_activations(matrix)))
    error = 2**-23 * (512**0.5 + 8 * np.linalg.norm(matrix) / 10)
    assert bound == pytest.approx(10 * error * (2**0.5 * (1 - gap) / gap + 1), rel=0.03)
    assert bound < 10 * widest


def test_a_component_that_is_not_determined_has_no_bound() -> None:
    """Of two equal singular values, 10 and 10: any direction between theirs is as right."""
    assert float(bound_projections(to_activations(make_matrix(49, 512, 0.0)))) > 20 - 1e-6


@pytest.mark.parametrize("gap", [0.5, 0.1, 1e-2, 1e-3])
def test_a_wrong_map_is_outside_the_bound(gap: float) -> None:
    """The second component, and the first one of the activations that are not centred."""
    matrix = make_matrix(49, 512, gap)
    bound = float(bound_projections(to_activations(matrix)))
    exact = project(matrix, by_driver("gesvd"))
    second = project(matrix, lambda centred: scipy.linalg.svd(centred)[2][1])
    not_centred = matrix @ scipy.linalg.svd(matrix)[2][0]
    assert difference(second, exact) > 5 * bound
    assert difference(not_centred, exact) > 5 * bound


def test_a_map_of_each_image_has_its_own_bound() -> None:
    pair = torch.cat([to_activations(make_matrix(49, 512, gap)) for gap in (0.5, 1e-3)])
    alone = [float(bound_projections(image[None])) for image in pair]
    assert bound_projections(pair).tolist() == pytest.approx(alone)
    assert alone[1] > 100 * alone[0]


def test_one_channel_alone_is_its_own_component() -> None:
    """Without a second singular value the direction is 1, and only the product is rounded."""
    values = torch.arange(4.0).view(1, 1, 2, 2)
    norm, spread = 14**0.5, 5**0.5
    assert float(bound_projections(values)) == pytest.approx(2**-23 * (2 * spread + 8 * norm), rel=1e-5)
