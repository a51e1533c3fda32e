"""Maps are fitted to their image, then stretched to [0, 1]: compared with results by hand and with a naive loop."""

from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cambench.bench.config.protocol import Fit, Order, find_protocol
from cambench.bench.scoring.postprocess import fit, postprocess, stretch


def test_one_row_is_fitted_by_hand() -> None:
    """Two values on four pixels: centres at -0.25, 0.25, 0.75, 1.25 of the two, kept within them."""
    assert fit(torch.tensor([[[0.0, 4.0]]]), (1, 4)).tolist() == [[[0.0, 1.0, 3.0, 4.0]]]


def naive_fit(map_: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    fitted = np.empty(size)
    for y in range(size[0]):
        for x in range(size[1]):
            v = min(max((y + 0.5) * map_.shape[0] / size[0] - 0.5, 0), map_.shape[0] - 1)
            u = min(max((x + 0.5) * map_.shape[1] / size[1] - 0.5, 0), map_.shape[1] - 1)
            top, left = int(v), int(u)
            low, right = min(top + 1, map_.shape[0] - 1), min(left + 1, map_.shape[1] - 1)
            a, b = v - top, u - left
            upper = (1 - b) * map_[top, left] + b * map_[top, right]
            fitted[y, x] = (1 - a) * upper + a * ((1 - b) * map_[low, left] + b * map_[low, right])
    return fitted


def test_fitting_is_bilinear_between_half_pixel_centres() -> None:
    maps = torch.rand(2, 3, 5, generator=torch.Generator().manual_seed(0))
    expected = np.stack([naive_fit(map_, (14, 11)) for map_ in maps.double().numpy()])
    np.testing.assert_allclose(fit(maps, (14, 11)).numpy(), expected, atol=1e-6)


def test_fitting_keeps_a_map_of_the_images_size() -> None:
    maps = torch.rand(2, 6, 7)
    torch.testing.assert_close(fit(maps, (6, 7)), maps)


def test_each_map_is_stretched_by_its_own_range() -> None:
    maps = torch.tensor([[[2.0, 4.0], [3.0, 6.0]], [[-1.0, 0.0], [1.0, 0.0]]])
    assert stretch(maps).tolist() == [[[0.0, 0.5], [0.25, 1.0]], [[0.0, 0.5], [1.0, 0.5]]]


def test_a_constant_map_becomes_zero_everywhere() -> None:
    constant = torch.stack([torch.full((3, 3), value) for value in (0.0, 5.0, -2.0)])
    assert not stretch(constant).any()


def test_a_map_with_a_tiny_range_is_stretched() -> None:
    maps = torch.tensor([[[0.0, 1e-38], [2e-38, 0.0]], [[1e-3, 1e-3], [1e-3, 1e-3 + 1e-9]]])
    assert stretch(maps).flatten(1).amax(1).tolist() == [1.0, 1.0]


def test_stretching_keeps_the_order_of_pixels() -> None:
    maps = torch.randn(1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(stretch(maps).flatten().argsort(), maps.flatten().argsort())


@pytest.mark.parametrize("size", [28, 40, 56, 60, 64, 224])
@pytest.mark.parametrize("mode", get_args(Fit))
@pytest.mark.parametrize("order", get_args(Order))
def test_equal_values_stay_equal_at_every_size(size: int, mode: Fit, order: Order) -> None:
    """In float32, torch makes noise of a constant map of images up to 64 x 64, which would be stretched to [0, 1]."""
    protocol = find_protocol("default").model_copy(update={"fit": mode, "order": order})
    maps = torch.tensor([1.0, 0.7, 1e-3, -3.1]).view(4, 1, 1).expand(4, 7, 7)
    assert not postprocess(maps, (size, size), protocol).any()
    corner = torch.zeros(1, 7, 7)
    corner[0, 4:, 4:] = 0.7
    peak = postprocess(corner, (size, size), protocol)[0] == 1
    if mode == "bilinear":  # from the centre of the first pixel of the corner on
        first = np.ceil(4.5 * size / 7 - 0.5)
        assert int(peak.sum()) == (size - first) ** 2
