"""Ranks, substrates and blends, compared with results by hand and with naive loops."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench.bench.data.types import MEAN, STD
from cambench.bench.scoring.blend import blend_images, make_canonical_key, make_substrate, rank_pixels
from cambench.bench.scoring.perturbations import Clean, Custom, Inside, Kept, Masked, Perturbed, Substrate
from cambench.tests.support.nets import random_images, random_maps

from ..support.naive import naive_blur


def test_the_highest_pixel_ranks_first_and_ties_rank_in_reading_order() -> None:
    maps = torch.tensor([[[0.5, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert rank_pixels(maps).tolist() == [[[1, 0], [2, 3]], [[0, 1], [2, 3]]]


def test_many_ties_rank_in_reading_order() -> None:
    assert rank_pixels(torch.zeros(1, 100, 100)).flatten().tolist() == list(range(10_000))


def test_the_blur_equals_rises_on_normalised_images() -> None:
    image = random_images(1, 17)[0]
    mean, std = np.array(MEAN)[:, None, None], np.array(STD)[:, None, None]
    expected = naive_blur((image.double().numpy() - mean) / std) * std + mean
    np.testing.assert_allclose(make_substrate(image, "blur").numpy(), expected, atol=1e-6)


def test_mean_is_the_mean_colour_and_black_is_0() -> None:
    image = random_images(1, 4)[0]
    mean = make_substrate(image, "mean")
    assert mean.shape == image.shape
    torch.testing.assert_close(mean[:, 2, 3], torch.tensor(MEAN))
    assert not make_substrate(image, "black").any()


def naive_blend(image: Tensor, map: Tensor, description: Perturbed) -> Tensor:
    """The blend computed pixel by pixel: a share of the image plus the remaining share of the substrate."""
    if isinstance(description, Clean | Custom):
        return image if isinstance(description, Clean) else description.image
    filled, blend, width = make_substrate(image, description.substrate), torch.empty_like(image), map.shape[1]
    order = sorted(range(map.numel()), key=lambda pixel: -float(map.flatten()[pixel]))
    for rank, pixel in enumerate(order):
        y, x = divmod(pixel, width)
        if isinstance(description, Kept):
            share = float(description.first <= rank < description.last)
        elif isinstance(description, Inside):
            share = float(description.mask[y, x])
        else:
            share = float(map[y, x]) if description.top is None or rank < description.top else 0.0
            share = 1 - share if description.inverse else share
        blend[:, y, x] = share * image[:, y, x] + (1 - share) * filled[:, y, x]
    return blend


@pytest.mark.parametrize("name", ["mean", "black", "blur", "box"])
def test_blends_equal_a_naive_loop(name: Substrate) -> None:
    image, maps = random_images(1, 12)[0], random_maps(2, 12)
    maps[1] = (maps[1] * 4).round() / 4  # many ties
    requests: list[tuple[int, Perturbed]] = [
        (0, Kept(0, 40, name)),
        (1, Kept(40, 144, name)),
        (1, Masked(name)),
        (0, Clean()),
        (1, Kept(10, 20, "mean")),
        (0, Masked("black")),
        (1, Masked(name, top=50)),
        (0, Masked(name, top=30, inverse=True)),
        (0, Masked("mean", inverse=True)),
        (1, Inside(np.arange(144).reshape(12, 12) % 3 == 0, name)),
        (0, Custom(random_images(1, 12, seed=5)[0])),
    ]
    stream = blend_images(image, maps, requests)
    assert stream.count == len(requests)
    expected = torch.stack([naive_blend(image, maps[number], description) for number, description in requests])
    torch.testing.assert_close(stream.make(0, len(requests)), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(stream.make(1, 4), expected[1:4], atol=1e-6, rtol=0)


def test_shuffled_ties_keep_the_order_of_values_and_are_reproducible() -> None:
    maps = torch.tensor([[[0.5, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    seen = {tuple(rank_pixels(maps, ties=seed)[0].flatten().tolist()) for seed in range(20)}
    assert seen == {(1, 0, 2, 3), (2, 0, 1, 3)}
    assert torch.equal(rank_pixels(maps, ties=3), rank_pixels(maps, ties=3))
    flat = torch.zeros(1, 20, 20)
    assert sorted(rank_pixels(flat, ties=1).flatten().tolist()) == list(range(400))
    assert not torch.equal(rank_pixels(flat, ties=1), rank_pixels(flat, ties=2))


def test_ties_are_shuffled_if_a_seed_is_given() -> None:
    image = random_images(1, 6)[0]
    ordered, shuffled = blend_images(
        image, torch.zeros(1, 6, 6), [(0, Kept(0, 18, "black")), (0, Kept(0, 18, "black", ties=4))]
    ).make(0, 2)
    mask = rank_pixels(torch.zeros(1, 6, 6), ties=4)[0] < 18
    assert torch.equal(shuffled, image * mask)
    assert not torch.equal(ordered, shuffled)


def test_the_box_blur_is_a_mean_over_a_square_padded_with_the_mean_colour() -> None:
    image = random_images(1, 60)[0]
    mean = torch.tensor(MEAN)
    padded = mean.view(3, 1, 1).expand(3, 72, 72).clone()
    padded[:, 6:66, 6:66] = image
    expected = padded[:, 10 : 10 + 13, 20 : 20 + 13].mean((1, 2))  # a fifth of 60, made odd
    torch.testing.assert_close(make_substrate(image, "box")[:, 10, 20], expected)


def test_end_points_equal_the_image_and_its_substrate_exactly() -> None:
    image, maps = random_images(1, 12)[0], random_maps(1, 12)
    all_pixels, no_pixels = blend_images(image, maps, [(0, Kept(0, 144, "blur")), (0, Kept(0, 0, "blur"))]).make(0, 2)
    assert torch.equal(all_pixels, image) and torch.equal(no_pixels, make_substrate(image, "blur"))


def test_equal_perturbed_images_have_one_key() -> None:
    assert make_canonical_key(3, Kept(0, 9, "blur"), 9) == make_canonical_key(1, Clean(), 9) == (0, Clean())
    assert make_canonical_key(3, Kept(9, 9, "mean"), 9) == make_canonical_key(1, Kept(0, 0, "mean"), 9)
    assert make_canonical_key(3, Kept(9, 9, "mean"), 9) != make_canonical_key(3, Kept(9, 9, "blur"), 9)
    assert make_canonical_key(3, Kept(0, 8, "mean"), 9) == (3, Kept(0, 8, "mean"))
    assert make_canonical_key(3, Masked("mean"), 9) == (3, Masked("mean"))


def test_different_images_have_different_keys() -> None:
    image, maps = random_images(1, 8)[0], random_maps(1, 8)
    descriptions: list[Perturbed] = [Clean(), Masked("mean"), *(Kept(0, n, "mean") for n in range(64))]
    images = blend_images(image, maps, [(0, description) for description in descriptions]).make(0, len(descriptions))
    assert len({make_canonical_key(0, description, 64) for description in descriptions}) == len(descriptions)
    assert len({tuple(blend.flatten().tolist()) for blend in images}) == len(descriptions)
    assert all(not torch.equal(a, b) for a, b in pairwise(images))
