"""Metrics compared with results by hand and with slow loops written from the papers."""

from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METRIC, Plugin, find, list_names
from cambench.bench.data.types import MEAN, STD, Mask, Object
from cambench.bench.nets.net import Net
from cambench.bench.scoring.blend import make_fill
from cambench.bench.scoring.case import Asking, Case, Curve, Score, list_cumulative_counts
from cambench.bench.scoring.perturbations import Clean, Kept
from cambench.tests.support.naive import naive_blur
from cambench.tests.support.nets import FakeNet, brightness, random_images, random_maps, scores_of

from ..support.naive import Pixels, grey, in_hull, share


def score_all(
    net: Any, image: Tensor, maps: Tensor, *specs: str, objects: tuple[Object, ...] = ()
) -> list[list[Score]]:
    return scores_of(net, image, 0, maps, objects, [find(METRIC, spec) for spec in specs])


def score_map(net: Any, image: Tensor, map_: Tensor, spec: str) -> Any:
    return score_all(net, image, map_[None], spec)[0][0]


# --- curves: by hand ---------------------------------------------------------------------------------------------------


def test_four_pixels_in_two_steps() -> None:
    """Pixels .4 .3 .2 .1, the brightest first: after half of them 1 - .4 - .3 = .3 remains."""
    image, map_ = grey([0.2, 0.4, 0.1, 0.3]), torch.tensor([[0.5, 1.0, 0.0, 0.75]])
    deletion = score_map(FakeNet(brightness), image, map_, "deletion[steps=2,fill=black]")
    insertion = score_map(FakeNet(brightness), image, map_, "insertion[steps=2,fill=black]")
    assert deletion.shares == insertion.shares == [0.0, 0.5, 1.0]
    assert deletion.scores == pytest.approx([1, 0.3, 0], abs=1e-6)
    assert insertion.scores == pytest.approx([0, 0.7, 1], abs=1e-6)
    assert (deletion.area, insertion.area) == pytest.approx((0.4, 0.6), abs=1e-6)


def test_five_pixels_in_three_steps_the_last_one_smaller() -> None:
    image = grey([0.3, 0.25, 0.2, 0.15, 0.1])
    map_ = torch.tensor([[1.0, 0.75, 0.5, 0.25, 0.0]])
    deletion = score_map(FakeNet(brightness), image, map_, "deletion[steps=3,fill=black]")
    insertion = score_map(FakeNet(brightness), image, map_, "insertion[steps=3,fill=black]")
    assert deletion.shares == insertion.shares == [0.0, 0.4, 0.8, 1.0]
    assert deletion.scores == pytest.approx([1, 0.45, 0.1, 0], abs=1e-6)
    assert (deletion.area, insertion.area) == pytest.approx((0.41, 0.59), abs=1e-6)


def test_the_area_of_a_curve_follows_the_trapezoid_rule() -> None:
    assert Curve([0, 0.5, 1], [1, 0.5, 0]).area == pytest.approx(0.5)
    assert Curve([0, 0.1, 1], [1, 0, 0]).area == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("pixels", "steps", "expected"),
    [
        (4, 2, [0, 2, 4]),
        (5, 3, [0, 2, 4, 5]),
        (5, 28, [0, 1, 2, 3, 4, 5]),
        (7, 1, [0, 7]),
        (784, 28, [*range(0, 785, 28)]),
    ],
)
def test_cumulative_counts(pixels: int, steps: int, expected: list[int]) -> None:
    assert list_cumulative_counts(pixels, steps) == expected


def test_a_curve_has_28_steps_by_default() -> None:
    curve = score_map(FakeNet(brightness), random_images(1, 28)[0], random_maps(1, 28)[0], "deletion")
    assert len(curve.scores) == 29 and curve.shares == pytest.approx([n / 28 for n in range(29)])


def test_a_perfect_map_has_deletion_0_and_insertion_1() -> None:
    """The net sees one pixel, which the map ranks first: only the first of 64 steps changes the score."""
    image, map_ = torch.full((3, 8, 8), 1.0), torch.zeros(8, 8)
    map_[5, 2] = 1
    net = FakeNet(lambda images: images[:, 0, 5, 2])
    deletion = score_map(net, image, map_, "deletion[steps=64,fill=black]")
    insertion = score_map(net, image, map_, "insertion[steps=64,fill=black]")
    assert deletion.scores == [1.0] + [0.0] * 64 and insertion.scores == [0.0] + [1.0] * 64
    assert deletion.area == pytest.approx(0.5 / 64) and insertion.area == pytest.approx(1 - 0.5 / 64)


def test_a_wrong_map_has_deletion_1_and_insertion_0() -> None:
    image, map_ = torch.full((3, 8, 8), 1.0), torch.ones(8, 8)
    map_[5, 2] = 0
    net = FakeNet(lambda images: images[:, 0, 5, 2])
    assert score_map(net, image, map_, "deletion[steps=64,fill=black]").area == pytest.approx(1 - 0.5 / 64)
    assert score_map(net, image, map_, "insertion[steps=64,fill=black]").area == pytest.approx(0.5 / 64)


@pytest.mark.parametrize("spec", ["deletion", "insertion"])
def test_a_constant_net_gives_a_flat_curve(spec: str) -> None:
    curve = score_map(
        FakeNet(lambda images: torch.full((len(images),), 0.3)), random_images(1, 9)[0], random_maps(1, 9)[0], spec
    )
    assert curve.scores == pytest.approx([0.3] * len(curve.scores)) and curve.area == pytest.approx(0.3)


@pytest.mark.parametrize("spec", ["deletion", "insertion"])
def test_pixels_of_a_constant_map_change_in_reading_order(spec: str) -> None:
    image = random_images(1, 8)[0]
    by_place = torch.linspace(1, 0, 64).view(8, 8)
    flat, ordered = (score_map(FakeNet(brightness), image, map_, spec) for map_ in (torch.zeros(8, 8), by_place))
    assert flat == ordered


@pytest.mark.parametrize("name", ["mean", "black", "blur"])
def test_insertion_is_the_reversed_deletion_curve_of_the_inverted_map(name: str, pooled: Net) -> None:
    image, map_ = random_images(1)[0], random_maps(1)[0]
    insertion = score_map(pooled, image, map_, f"insertion[steps=16,fill={name}]")
    deletion = score_map(pooled, image, 1 - map_, f"deletion[steps=16,fill={name}]")
    assert insertion.scores == pytest.approx(deletion.scores[::-1], abs=1e-6)
    assert max(insertion.scores) - min(insertion.scores) > 0.001


@pytest.mark.parametrize("spec", ["deletion", "insertion"])
def test_only_the_order_of_pixels_counts(spec: str, pooled: Net) -> None:
    image, map_ = random_images(1)[0], random_maps(1)[0]
    assert score_map(pooled, image, map_, spec) == score_map(pooled, image, map_**2 * 0.5, spec)


def test_only_the_peak_counts_in_the_pointing_game() -> None:
    objects = (Object(0, share((2, 2), (5, 5))),)
    maps = random_maps(8, 8)
    image = random_images(1, 8)[0]
    net = FakeNet(brightness)
    assert score_all(net, image, maps, "pointing", objects=objects) == score_all(
        net, image, maps**3, "pointing", objects=objects
    )


# --- curves: RISE's own loop ---------------------------------------------------------------------------------------------


def rise(net: Net, image: Tensor, map_: Tensor, mode: str, step: int) -> tuple[list[float], float]:
    """RISE's CausalMetric.single_run, on the normalised image, pixel by pixel: its curve, and its area."""
    mean, std = np.array(MEAN)[:, None, None], np.array(STD)[:, None, None]
    tensor = (image.double().numpy() - mean) / std
    start, finish = (tensor, np.zeros_like(tensor)) if mode == "del" else (naive_blur(tensor), tensor)
    after_normalising = nn.Sequential(*list(net.features)[1:], net.classify)
    order = np.argsort(-map_.numpy().ravel())
    current = start.copy()
    scores = []
    for n in range(len(order) // step + 1):
        with torch.inference_mode():
            logits = after_normalising(torch.from_numpy(current[None]).float())
        scores.append(float(logits.double().softmax(1)[0, 0]))
        for pixel in order[step * n : step * (n + 1)]:
            y, x = divmod(int(pixel), map_.shape[1])
            current[:, y, x] = finish[:, y, x]
    return scores, (sum(scores) - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


@pytest.mark.parametrize(("spec", "mode"), [("deletion", "del"), ("insertion", "ins")])
def test_curves_equal_rises(spec: str, mode: str, pooled: Net) -> None:
    image, map_ = random_images(1, 24)[0], random_maps(1, 24)[0]
    curve = score_map(pooled, image, map_, f"{spec}[steps=12]")
    scores, area = rise(pooled, image, map_, mode, step=48)
    assert curve.scores == pytest.approx(scores, abs=1e-5)
    assert curve.area == pytest.approx(area, abs=1e-5)


# --- the soft mask: by hand, and by a naive loop -----------------------------------------------------------------------


def test_drop_increase_and_gain_by_hand() -> None:
    """Only the pixel of .4 is shown, so .6 of 1 is lost. Without the opposing pixel the score rises from .5 to .7."""
    image, map_ = grey([0.4, 0.3, 0.2, 0.1]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    specs = ("average_drop[fill=black]", "average_increase[fill=black]", "average_gain[fill=black]")
    assert score_all(FakeNet(brightness), image, map_[None], *specs)[0] == pytest.approx([0.6, 0.0, 0.0], abs=1e-6)

    opposing_net = FakeNet(lambda images: images[:, 0, 0, 0] - images[:, 0, 0, 1])
    image = grey([0.7, 0.2])
    map_ = torch.tensor([[1.0, 0.0]])
    assert score_all(opposing_net, image, map_[None], *specs)[0] == pytest.approx([0.0, 1.0, 0.4], abs=1e-6)


def test_a_soft_map_weights_each_pixel() -> None:
    image, map_ = grey([0.4, 0.3, 0.2, 0.1]), torch.tensor([[1.0, 0.5, 0.25, 0.0]])  # .4 + .15 + .05 = .6
    assert score_map(FakeNet(brightness), image, map_, "average_drop[fill=black]") == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("fill", ["mean", "black", "blur"])
def test_drop_increase_and_gain_follow_the_papers_equations(fill: Any, pooled: Net) -> None:
    drops, increases, gains = [], [], []
    image, maps = random_images(1, seed=4)[0], random_maps(8)
    base = make_fill(image, fill)
    for target in (0, 3, 5, 8):
        specs = [find(METRIC, f"average_{word}[fill={fill}]") for word in ("drop", "increase", "gain")]
        rows = scores_of(pooled, image, target, maps, (), specs)
        for map_, row in zip(maps, rows, strict=True):
            with torch.inference_mode():
                y, o = (
                    pooled(torch.stack([image, map_ * image + (1 - map_) * base]))
                    .double()
                    .softmax(1)[:, target]
                    .tolist()
                )
            drops.append((row[0], max(0.0, y - o) / y))
            increases.append((row[1], 1.0 if y < o else 0.0))
            gains.append((row[2], max(0.0, o - y) / (1 - y)))
    for pairs in (drops, increases, gains):
        scores, expected = zip(*pairs, strict=True)
        assert scores == pytest.approx(expected, abs=1e-5)
        assert len(set(expected)) > 1
    assert {increase for increase, _ in increases} == {0.0, 1.0}


def test_the_default_fill_is_the_mean_colour(pooled: Net) -> None:
    image, maps = random_images(1)[0], random_maps(1)
    for word in ("drop", "gain"):
        default, mean = score_all(pooled, image, maps, f"average_{word}", f"average_{word}[fill=mean]")[0]
        assert default == mean
    assert (
        len(
            set(
                score_all(pooled, image, maps, "average_drop", "average_drop[fill=black]", "average_drop[fill=blur]")[0]
            )
        )
        > 1
    )


def test_a_map_of_ones_loses_and_gains_nothing(pooled: Net) -> None:
    row = score_all(
        pooled, random_images(1)[0], torch.ones(1, 64, 64), "average_drop", "average_increase", "average_gain"
    )[0]
    assert row == pytest.approx([0.0, 0.0, 0.0], abs=1e-6)


def test_the_gain_of_a_certain_net_is_0() -> None:
    net = FakeNet(lambda images: torch.ones(len(images)))
    assert score_map(net, random_images(1, 8)[0], random_maps(1, 8)[0], "average_gain") == 0.0


def test_the_drop_of_a_zero_score_is_0() -> None:
    net = FakeNet(lambda images: torch.zeros(len(images)))
    assert score_map(net, random_images(1, 8)[0], random_maps(1, 8)[0], "average_drop") == 0.0


# --- pointing and energy -----------------------------------------------------------------------------------------------


def score_with_mask(map_: Tensor, mask: Mask, name: str, other: Mask | None = None) -> float:
    objects = (Object(0, mask),) + (() if other is None else (Object(1, other),))
    value = score_all(FakeNet(brightness), torch.zeros(3, *map_.shape), map_[None], name, objects=objects)[0][0]
    assert isinstance(value, float)
    return value


def test_energy_and_distractor_by_hand() -> None:
    map_ = torch.tensor([[1.0, 0.5], [0.25, 0.25]])
    target_mask, other_mask = share((0, 0), size=2), share((0, 1), (1, 1), size=2)
    assert score_with_mask(map_, target_mask, "energy") == pytest.approx(0.5)
    assert score_with_mask(map_, target_mask, "distractor", other_mask) == pytest.approx(0.375)


@pytest.mark.parametrize(("name", "expected"), [("energy", 3 / 64), ("distractor", 2 / 64), ("pointing", 3 / 64)])
def test_a_constant_map_scores_the_share_of_the_objects_area(name: str, expected: float) -> None:
    target_mask, other_mask = share((0, 0), (0, 1), (0, 2)), share((5, 5), (6, 6), (0, 2))
    assert score_with_mask(torch.zeros(8, 8), target_mask, name, other_mask) == pytest.approx(expected)


def test_energy_of_many_small_values_is_a_sum_in_double_precision() -> None:
    map_ = torch.full((512, 512), 0.1)
    map_[0, 0] = 1
    mask = np.ones((512, 512), dtype=bool)
    mask[0, 0] = False
    rest = 0.10000000149011612 * (512 * 512 - 1)
    assert score_with_mask(map_, mask, "energy") == pytest.approx(rest / (rest + 1), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_energy_equals_a_naive_loop(seed: int) -> None:
    rng = np.random.default_rng(seed)
    map_, target_mask, other_mask = torch.rand(8, 8), rng.random((8, 8)) < 0.4, rng.random((8, 8)) < 0.4
    inside = on_other = total = 0.0
    for y in range(8):
        for x in range(8):
            value = float(map_[y, x])
            total += value
            inside += value if target_mask[y, x] else 0
            on_other += value if other_mask[y, x] and not target_mask[y, x] else 0
    assert score_with_mask(map_, target_mask, "energy") == pytest.approx(inside / total)
    assert score_with_mask(map_, target_mask, "distractor", other_mask) == pytest.approx(on_other / total)


def corners_of(mask: Mask) -> Pixels:
    places = np.argwhere(mask)
    return np.unique(np.concatenate([places + np.array([dy, dx]) for dy in (0, 1) for dx in (0, 1)]), axis=0).astype(
        np.float64
    )


@pytest.mark.parametrize(
    "mask", [share((2, 2), (2, 5), (5, 3)), share((1, 1), (6, 6)), share((4, 4)), share((0, 3), (7, 3))]
)
def test_pointing_equals_a_half_plane_test(mask: Mask) -> None:
    hits = set()
    for y in range(8):
        for x in range(8):
            map_ = torch.zeros(8, 8)
            map_[y, x] = 1
            expected = in_hull(corners_of(mask), np.array([y + 0.5, x + 0.5]))
            assert score_with_mask(map_, mask, "pointing") == float(expected), (y, x)
            hits.add(expected)
    assert hits == {True, False}


def test_a_peak_in_the_hole_of_a_ring_is_a_hit() -> None:
    ring = np.zeros((8, 8), dtype=bool)
    ring[1:7, 1:7] = True
    ring[3:5, 3:5] = False
    map_ = torch.zeros(8, 8)
    map_[3, 4] = 1
    assert score_with_mask(map_, ring, "pointing") == 1.0 and score_with_mask(map_, ring, "energy") == 0.0


def test_several_peaks_count_by_their_share() -> None:
    map_ = torch.zeros(8, 8)
    for y, x in ((2, 2), (2, 3), (7, 7), (0, 7)):
        map_[y, x] = 1
    assert score_with_mask(map_, share((2, 2), (2, 3)), "pointing") == 0.5


# --- the work is shared ------------------------------------------------------------------------------------------------

FORWARD_BASED = ("insertion", "deletion", "average_drop", "average_increase", "average_gain")


@pytest.mark.parametrize("count", [1, 3])
def test_each_perturbed_image_is_scored_once(count: int) -> None:
    """Per map: 27 inner points per curve and the masked image. For all maps: the image, its blur and the mean colour."""
    net = FakeNet(brightness)
    score_all(net, random_images(1, 28)[0], random_maps(count, 28), *FORWARD_BASED)
    seen = Counter(image.numpy().tobytes() for image in net.images)
    assert len(net.images) == count * (27 + 27 + 1) + 3
    assert set(seen.values()) == {1}


def test_scores_do_not_depend_on_the_other_maps_and_metrics(pooled: Net) -> None:
    image, maps = random_images(1)[0], random_maps(3)
    objects = (Object(0, share((3, 3), (9, 20), size=64)), Object(1, share((30, 30), size=64)))
    together = score_all(pooled, image, maps, *list_names(METRIC), objects=objects)
    for number, row in enumerate(together):
        for spec, score in zip(list_names(METRIC), row, strict=True):
            alone = score_all(pooled, image, maps[number : number + 1], spec, objects=objects)[0][0]
            if isinstance(score, Curve):
                assert isinstance(alone, Curve)
                assert score.scores == pytest.approx(alone.scores, abs=1e-6)
            elif isinstance(score, NotApplicable):
                assert str(score) == str(alone)
            else:
                assert score == pytest.approx(alone, abs=1e-5)


def test_the_target_is_the_class_that_is_scored(pooled: Net) -> None:
    image, maps = random_images(1)[0], random_maps(1)
    with torch.inference_mode():
        expected = pooled(image[None]).double().softmax(1)[0]
    for target in range(10):
        curve = scores_of(pooled, image, target, maps, (), [find(METRIC, "deletion[steps=2]")])[0][0]
        assert isinstance(curve, Curve)
        assert curve.scores[0] == pytest.approx(float(expected[target]), abs=1e-6)


def test_a_metric_may_ask_twice_and_each_image_is_scored_once() -> None:
    def score(case: Case) -> Asking[float]:
        (half,) = yield [Kept(0, 32, "black")]
        half_again, none, full = yield [Kept(0, 32, "black"), Kept(0, 0, "black"), Clean()]
        assert half == half_again and none < half < full
        return full - none

    net: Any = FakeNet(lambda images: images.mean((1, 2, 3)))
    image = torch.full((3, 8, 8), 0.5)
    plugin = Plugin("again", "again", ModuleType("again"), score)
    assert scores_of(net, image, 0, random_maps(2, 8), (), [plugin]) == [[0.5], [0.5]]
    assert len(net.images) == 2 + 2
