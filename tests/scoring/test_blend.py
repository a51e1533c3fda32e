"""Ranks, fills and blends, compared with results by hand and with naive loops."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench.bench.data.types import MEAN, STD
from cambench.bench.scoring.blend import Canvas, blend_images, make_fill, rank_pixels, split_request
from cambench.bench.scoring.impute import impute
from cambench.bench.scoring.perturbations import (
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
)
from cambench.tests.support.nets import random_images, random_maps

from ..support.naive import naive_blur


def test_the_highest_pixel_ranks_first_and_ties_rank_in_reading_order() -> None:
    maps = torch.tensor([[[0.5, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert rank_pixels(maps).tolist() == [[[1, 0], [2, 3]], [[0, 1], [2, 3]]]


def test_many_ties_rank_in_reading_order() -> None:
    assert rank_pixels(torch.zeros(1, 100, 100)).flatten().tolist() == list(range(10_000))


def test_values_of_any_sign_are_ranked_as_a_stable_sort_orders_them() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = (
        torch.randint(-3, 4, (5, 12, 9), generator=generator)
        / 7
        * torch.tensor([1, -1, 1e-30, 1e30, -0.0])[:, None, None]
    )
    assert (maps == 0).logical_and(maps.signbit()).any() and (maps == 0).logical_and(~maps.signbit()).any()
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    assert torch.equal(rank_pixels(maps).flatten(1), order.argsort(dim=1).int())
    assert torch.equal(rank_pixels(maps.double()), rank_pixels(maps))


@pytest.mark.parametrize("size", [(17, 17), (5, 31), (40, 12)])
def test_the_blur_equals_rises_on_normalised_images(size: tuple[int, int]) -> None:
    image = random_images(1, 40)[0, :, : size[0], : size[1]]
    mean, std = np.array(MEAN)[:, None, None], np.array(STD)[:, None, None]
    expected = naive_blur((image.double().numpy() - mean) / std) * std + mean
    np.testing.assert_allclose(make_fill(image, "blur").numpy(), expected, atol=1e-6)


def test_mean_is_the_mean_colour_and_black_is_0() -> None:
    image = random_images(1, 4)[0]
    mean = make_fill(image, "mean")
    assert mean.shape == image.shape
    torch.testing.assert_close(mean[:, 2, 3], torch.tensor(MEAN))
    assert not make_fill(image, "black").any()


def naive_blend(image: Tensor, map: Tensor, description: Perturbed) -> Tensor:
    """The blend computed pixel by pixel: a share of the image plus the remaining share of the fill."""
    if isinstance(description, Clean | Custom):
        return image if isinstance(description, Clean) else description.image
    filled, blend, width = make_fill(image, description.fill), torch.empty_like(image), map.shape[1]
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
def test_blends_equal_a_naive_loop(name: Fill) -> None:
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
    stream = blend_images(Canvas(image, maps), requests)
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


def test_in_reverse_the_last_of_equal_pixels_ranks_first() -> None:
    maps = torch.tensor([[[0.5, 1.0, 0.5], [0.0, 0.5, 0.0]]])
    assert rank_pixels(maps, ties="reverse").tolist() == [[[3, 0, 2], [5, 1, 4]]]


def test_ties_are_shuffled_if_a_seed_is_given() -> None:
    image = random_images(1, 6)[0]
    ordered, shuffled = blend_images(
        Canvas(image, torch.zeros(1, 6, 6)), [(0, Kept(0, 18, "black")), (0, Kept(0, 18, "black", ties=4))]
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
    torch.testing.assert_close(make_fill(image, "box")[:, 10, 20], expected)


def test_a_box_wider_than_the_image_takes_in_the_mean_colour_around_it() -> None:
    image, mean = random_images(1, 60)[0, :, :, :5], torch.tensor(MEAN)
    expected = mean + (image[:, 10:23] - mean[:, None, None]).sum((1, 2)) / 13**2
    torch.testing.assert_close(make_fill(image, "box")[:, 16, 2], expected)


def test_end_points_equal_the_image_and_its_fill_exactly() -> None:
    image, maps = random_images(1, 12)[0], random_maps(1, 12)
    all_pixels, no_pixels = blend_images(
        Canvas(image, maps), [(0, Kept(0, 144, "blur")), (0, Kept(0, 0, "blur"))]
    ).make(0, 2)
    assert torch.equal(all_pixels, image) and torch.equal(no_pixels, make_fill(image, "blur"))


def test_a_series_is_its_images_one_by_one() -> None:
    image, maps = random_images(1, 12)[0], random_maps(2, 12)
    canvas, regions = Canvas(image, maps), (torch.arange(144).view(12, 12) // 30).numpy()
    masks = torch.rand(4, 12, 12, generator=torch.Generator().manual_seed(1)).numpy() > 0.5
    customs = random_images(3, 12, seed=9)
    bounds = ((0, 10), (20, 144), (30, 40))
    series: list[tuple[Series, list[Perturbed]]] = [
        (KeptSeries(bounds, "blur"), [Kept(*pair, "blur") for pair in bounds]),
        (KeptSeries(bounds[:1], "mean", ties=3), [Kept(*bounds[0], "mean", 3)]),
        (InsideSeries(masks, "black"), [Inside(mask, "black") for mask in masks]),
        (CustomSeries(customs), [Custom(custom) for custom in customs]),
        (
            RegionSeries(regions, ((1, 5), (0, 2)), "mean"),
            [Inside(regions >= 1, "mean"), Inside(regions < 2, "mean")],
        ),
    ]
    for whole, singles in series:
        stream = blend_images(canvas, [(1, whole)])
        expected = blend_images(canvas, [(1, single) for single in singles])
        assert stream.count == len(whole) == len(singles)
        assert torch.equal(stream.make(0, stream.count), expected.make(0, len(singles)))
        assert torch.equal(stream.make(len(singles) - 1, len(singles)), expected.make(len(singles) - 1, len(singles)))


def test_imputed_pixels_are_those_of_the_lowest_ranks_with_noise() -> None:
    image, maps = random_images(1, 16)[0], random_maps(2, 16)
    noise = torch.full_like(image, 0.01)
    for ascending in (False, True):
        ranks = rank_pixels(-maps if ascending else maps)[1]
        missing = torch.stack([ranks < 50, ranks < 200])
        stream = blend_images(Canvas(image, maps), [(1, ImputedSeries(((0, 50), (0, 200)), noise, ascending))])
        torch.testing.assert_close(stream.make(0, 2), impute(image, missing) + noise * missing[:, None])
    values = 1 - maps[0]
    by_threshold = ImputedSeries((), noise, ascending=True, thresholds=(0.5,))
    found = blend_images(Canvas(image, maps), [(0, by_threshold)]).make(0, 1)
    missing = (values >= 0.5)[None]
    torch.testing.assert_close(found, impute(image, missing) + noise * missing[:, None])


def test_images_masked_by_several_maps_are_those_of_each_map() -> None:
    image, maps = random_images(1, 12)[0], random_maps(3, 12)
    masked = Masked("blur", top=40, inverse=True)
    together = blend_images(Canvas(image, maps), [(0, masked), (1, masked), (2, masked)]).make(0, 3)
    apart = [blend_images(Canvas(image, maps), [(index, masked)]).make(0, 1) for index in range(3)]
    assert torch.equal(together, torch.cat(apart))


def test_equal_perturbed_images_are_one_piece() -> None:
    assert split_request(Kept(0, 9, "blur"), 9) == split_request(Clean(), 9) == [(False, Clean())]
    assert split_request(Kept(9, 9, "mean"), 9) == split_request(Kept(0, 0, "mean"), 9) == [(False, Kept(0, 0, "mean"))]
    assert split_request(Kept(9, 9, "blur"), 9) == [(False, Kept(0, 0, "blur"))]
    assert split_request(Kept(0, 8, "mean"), 9) == [(True, Kept(0, 8, "mean"))]
    assert split_request(Masked("mean"), 9) == [(True, Masked("mean"))]


def test_the_ends_of_a_series_do_not_depend_on_the_map() -> None:
    series = KeptSeries(((0, 0), (0, 3), (0, 6), (0, 9)), "blur", ties=2)
    middle = KeptSeries(((0, 3), (0, 6)), "blur", ties=2)
    assert split_request(series, 9) == [(False, Kept(0, 0, "blur")), (True, middle), (False, Clean())]


def test_different_images_are_different_pieces() -> None:
    image, maps = random_images(1, 8)[0], random_maps(1, 8)
    descriptions: list[Perturbed] = [Clean(), Masked("mean"), *(Kept(0, n, "mean") for n in range(64))]
    stream = blend_images(Canvas(image, maps), [(0, description) for description in descriptions])
    images = stream.make(0, stream.count)
    assert len({split_request(description, 64)[0] for description in descriptions}) == len(descriptions)
    assert len({tuple(blend.flatten().tolist()) for blend in images}) == len(descriptions)
    assert all(not torch.equal(a, b) for a, b in pairwise(images))
