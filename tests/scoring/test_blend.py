"""Trading pixels: ranks, substrates, and blends, against hand-worked and naive ones."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench.bench.data.types import MEAN, STD
from cambench.bench.scoring.blend import blends, canonical, ranks, substrate
from cambench.bench.scoring.perturbations import Clean, Kept, Masked, Own, Perturbed, Shown, Substrate
from cambench.tests.support.nets import random_images, random_maps

from ..support.naive import naive_blur


def test_the_highest_pixel_ranks_first_and_equals_go_in_reading_order() -> None:
    maps = torch.tensor([[[0.5, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert ranks(maps).tolist() == [[[1, 0], [2, 3]], [[0, 1], [2, 3]]]


def test_many_equals_still_go_in_reading_order() -> None:
    assert ranks(torch.zeros(1, 100, 100)).flatten().tolist() == list(range(10_000))


def test_blur_is_rises_in_normalised_space() -> None:
    image = random_images(1, 17)[0]
    mean, std = np.array(MEAN)[:, None, None], np.array(STD)[:, None, None]
    expected = naive_blur((image.double().numpy() - mean) / std) * std + mean
    np.testing.assert_allclose(substrate(image, "blur").numpy(), expected, atol=1e-6)


def test_mean_is_zero_once_normalised_and_black_is_zero_before() -> None:
    image = random_images(1, 4)[0]
    mean = substrate(image, "mean")
    assert mean.shape == image.shape
    torch.testing.assert_close(mean[:, 2, 3], torch.tensor(MEAN))
    assert not substrate(image, "black").any()


def naive_blend(image: Tensor, map: Tensor, kind: Perturbed) -> Tensor:
    """Pixel by pixel: how much of the image shows, and of the substrate the rest."""
    if isinstance(kind, Clean | Own):
        return image if isinstance(kind, Clean) else kind.image
    base, blend, width = substrate(image, kind.substrate), torch.empty_like(image), map.shape[1]
    order = sorted(range(map.numel()), key=lambda place: -float(map.flatten()[place]))
    for rank, place in enumerate(order):
        y, x = divmod(place, width)
        if isinstance(kind, Kept):
            share = float(kind.first <= rank < kind.last)
        elif isinstance(kind, Shown):
            share = float(kind.mask[y, x])
        else:
            share = float(map[y, x]) if kind.top is None or rank < kind.top else 0.0
            share = 1 - share if kind.inverse else share
        blend[:, y, x] = share * image[:, y, x] + (1 - share) * base[:, y, x]
    return blend


@pytest.mark.parametrize("name", ["mean", "black", "blur", "box"])
def test_blends_are_those_of_a_naive_loop(name: Substrate) -> None:
    image, maps = random_images(1, 12)[0], random_maps(2, 12)
    maps[1] = (maps[1] * 4).round() / 4  # many equals
    wanted: list[tuple[int, Perturbed]] = [
        (0, Kept(0, 40, name)),
        (1, Kept(40, 144, name)),
        (1, Masked(name)),
        (0, Clean()),
        (1, Kept(10, 20, "mean")),
        (0, Masked("black")),
        (1, Masked(name, top=50)),
        (0, Masked(name, top=30, inverse=True)),
        (0, Masked("mean", inverse=True)),
        (1, Shown(np.arange(144).reshape(12, 12) % 3 == 0, name)),
        (0, Own(random_images(1, 12, seed=5)[0])),
    ]
    stream = blends(image, maps, wanted)
    assert stream.count == len(wanted)
    expected = torch.stack([naive_blend(image, maps[number], kind) for number, kind in wanted])
    torch.testing.assert_close(stream.make(0, len(wanted)), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(stream.make(1, 4), expected[1:4], atol=1e-6, rtol=0)


def test_shuffled_equals_keep_the_order_of_values_and_are_the_same_every_time() -> None:
    maps = torch.tensor([[[0.5, 1.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    seen = {tuple(ranks(maps, ties=seed)[0].flatten().tolist()) for seed in range(20)}
    assert seen == {(1, 0, 2, 3), (2, 0, 1, 3)}
    assert torch.equal(ranks(maps, ties=3), ranks(maps, ties=3))
    flat = torch.zeros(1, 20, 20)
    assert sorted(ranks(flat, ties=1).flatten().tolist()) == list(range(400))
    assert not torch.equal(ranks(flat, ties=1), ranks(flat, ties=2))


def test_blends_shuffle_equals_where_asked() -> None:
    image = random_images(1, 6)[0]
    plain, shuffled = blends(
        image, torch.zeros(1, 6, 6), [(0, Kept(0, 18, "black")), (0, Kept(0, 18, "black", ties=4))]
    ).make(0, 2)
    shown = ranks(torch.zeros(1, 6, 6), ties=4)[0] < 18
    assert torch.equal(shuffled, image * shown)
    assert not torch.equal(plain, shuffled)


def test_the_box_blur_is_a_mean_over_a_square_padded_with_the_mean_colour() -> None:
    image = random_images(1, 60)[0]
    mean = torch.tensor(MEAN)
    padded = mean.view(3, 1, 1).expand(3, 72, 72).clone()
    padded[:, 6:66, 6:66] = image
    expected = padded[:, 10 : 10 + 13, 20 : 20 + 13].mean((1, 2))  # a fifth of 60, made odd
    torch.testing.assert_close(substrate(image, "box")[:, 10, 20], expected)


def test_end_points_are_the_image_and_its_substrate_to_the_bit() -> None:
    image, maps = random_images(1, 12)[0], random_maps(1, 12)
    full, none = blends(image, maps, [(0, Kept(0, 144, "blur")), (0, Kept(0, 0, "blur"))]).make(0, 2)
    assert torch.equal(full, image) and torch.equal(none, substrate(image, "blur"))


def test_one_perturbed_image_has_one_name() -> None:
    assert canonical(3, Kept(0, 9, "blur"), 9) == canonical(1, Clean(), 9) == (0, Clean())
    assert canonical(3, Kept(9, 9, "mean"), 9) == canonical(1, Kept(0, 0, "mean"), 9)
    assert canonical(3, Kept(9, 9, "mean"), 9) != canonical(3, Kept(9, 9, "blur"), 9)
    assert canonical(3, Kept(0, 8, "mean"), 9) == (3, Kept(0, 8, "mean"))
    assert canonical(3, Masked("mean"), 9) == (3, Masked("mean"))


def test_names_of_different_images_differ() -> None:
    image, maps = random_images(1, 8)[0], random_maps(1, 8)
    kinds: list[Perturbed] = [Clean(), Masked("mean"), *(Kept(0, n, "mean") for n in range(64))]
    made = blends(image, maps, [(0, kind) for kind in kinds]).make(0, len(kinds))
    assert len({canonical(0, kind, 64) for kind in kinds}) == len(kinds)
    assert len({tuple(one.flatten().tolist()) for one in made}) == len(kinds)
    assert all(not torch.equal(a, b) for a, b in pairwise(made))
