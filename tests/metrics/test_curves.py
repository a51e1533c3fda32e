"""Variants of insertion and deletion: cells, even steps, normalisation, difference, ties and correlations."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from statistics import correlation
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METRIC, find
from cambench.bench.data.types import MEAN, STD
from cambench.bench.nets.net import Net
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.blend import make_fill
from cambench.bench.scoring.case import Curve, Score
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.tests.support.naive import grey
from cambench.tests.support.nets import FakeNet, brightness, case_of, random_images, random_maps

FOUR, MAP = grey([0.2, 0.4, 0.1, 0.3]), torch.tensor([[0.5, 1.0, 0.0, 0.75]])  # .4 .3 .2 .1 in the map's order


def score_all(net: Any, image: Tensor, map_: Tensor, *specs: str, raw: Tensor | None = None) -> list[Any]:
    """A map's scores by metric. With the method's `raw` map, the map is `raw` fitted and stretched."""
    case = case_of(image, map_ if raw is None else stretch(fit(raw[None], (image.shape[1], image.shape[2])))[0])
    if raw is not None:
        case = replace(case, raw=raw.numpy())
    scores: list[Score] = scoring.score(net, [case], [find(METRIC, spec) for spec in specs])[0]
    return scores


def score_map(net: Any, image: Tensor, map_: Tensor, spec: str, raw: Tensor | None = None) -> Any:
    return score_all(net, image, map_, spec, raw=raw)[0]


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def coarse(height: int, width: int, seed: int = 0) -> Tensor:
    """A raw map of distinct values, some of them negative."""
    count = height * width
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return (order.view(height, width).float() - count / 3) ** 3 / count


# --- even steps: xplique's -------------------------------------------------------------------------------------------


def test_even_steps_are_rounded_down_and_have_equal_widths() -> None:
    """Three steps change 0, 1, 3 and 5 of five pixels; the area is (1 / 2 + .7 + .25 + 0 / 2) / 3."""
    image, map_ = grey([0.3, 0.25, 0.2, 0.15, 0.1]), torch.tensor([[1.0, 0.75, 0.5, 0.25, 0.0]])
    settings = "steps=3,fill=black,even=true"
    deletion, insertion = score_all(FakeNet(brightness), image, map_, f"deletion[{settings}]", f"insertion[{settings}]")
    assert deletion.shares == insertion.shares == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert deletion.scores == pytest.approx([1, 0.7, 0.25, 0], abs=1e-6)
    assert insertion.scores == pytest.approx([0, 0.3, 0.75, 1], abs=1e-6)
    assert (deletion.area, insertion.area) == pytest.approx((1.45 / 3, 1.55 / 3), abs=1e-6)


@pytest.mark.parametrize("spec", ["deletion", "insertion"])
@pytest.mark.parametrize("steps", [10, 7])
def test_even_curves_equal_a_naive_loop(spec: str, steps: int, pooled: Net) -> None:
    """xplique's curve: pixel counts rounded down at evenly spaced points; the area is the mean of adjacent means."""
    image, map_ = random_images(1, 9)[0], random_maps(1, 9)[0]
    curve = score_map(pooled, image, map_, f"{spec}[steps={steps},fill=mean,even=true]")
    order = sorted(range(81), key=lambda pixel: -float(map_.flatten()[pixel]))
    base, scores = make_fill(image, "mean"), []
    for step in range(steps + 1):
        start, end = (image, base) if spec == "deletion" else (base, image)
        current = start.clone()
        for pixel in order[: int(81 * step / steps)]:
            current[:, pixel // 9, pixel % 9] = end[:, pixel // 9, pixel % 9]
        with torch.inference_mode():
            scores.append(float(pooled(current[None]).double().softmax(1)[0, 0]))
    assert curve.scores == pytest.approx(scores, abs=1e-5)
    means = [(first + second) / 2 for first, second in pairwise(scores)]
    assert curve.area == pytest.approx(sum(means) / steps, abs=1e-5)


# --- cells of the map's own grid: Gomez's ----------------------------------------------------------------------------


def test_curves_by_cells_change_whole_cells() -> None:
    """A 2 x 2 map on a 4 x 4 image: the first cell is the lower left quarter, 4 pixels of .1; others have pixels of .05."""
    image = torch.full((3, 4, 4), 0.05)
    image[:, 2:, :2] = 0.1
    raw = torch.tensor([[3.0, -1.0], [7.0, 0.0]])
    settings = "fill=black,cells=true"
    net = FakeNet(brightness)
    deletion, insertion = score_all(net, image, raw, f"deletion[{settings}]", f"insertion[{settings}]", raw=raw)
    assert deletion.shares == insertion.shares == [0, 0.25, 0.5, 0.75, 1]
    assert deletion.scores == pytest.approx([1, 0.6, 0.4, 0.2, 0], abs=1e-6)
    assert insertion.scores == pytest.approx([0, 0.4, 0.6, 0.8, 1], abs=1e-6)
    assert score_map(net, image, raw, f"insertion[{settings},steps=2,even=true]", raw) == insertion


@pytest.mark.parametrize(("height", "width", "step"), [(2, 3, 1), (14, 14, 1), (13, 17, 1), (20, 20, 2), (21, 21, 2)])
@pytest.mark.parametrize("spec", ["deletion", "insertion"])
def test_curves_by_cells_equal_a_naive_loop(spec: str, height: int, width: int, step: int, pooled: Net) -> None:
    """One cell per step, two from 392 cells on, three from 588 on, as the authors' code rounds down."""
    image, raw = random_images(1, 21)[0], coarse(height, width)
    base, cells = make_fill(image, "box"), height * width
    order = sorted(range(cells), key=lambda cell: -float(raw.flatten()[cell]))
    counts = [*range(0, cells, step), cells]
    start, end = (image, base) if spec == "deletion" else (base, image)
    scores = []
    for count in counts:
        current, traded = start.clone(), set(order[:count])
        for y, x in product(range(21), range(21)):
            if (y * height // 21) * width + x * width // 21 in traded:
                current[:, y, x] = end[:, y, x]
        with torch.inference_mode():
            scores.append(float(pooled(current[None]).double().softmax(1)[0, 0]))
    curve = score_map(pooled, image, raw, f"{spec}[fill=box,cells=true]", raw)
    assert curve.scores == pytest.approx(scores, abs=1e-5)
    assert curve.shares == pytest.approx([count / cells for count in counts])


def gomez_scores(net: Net, name: str, image: Tensor, raw: Tensor, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The library saliency-maps-metrics on a normalised image, so that its black is the mean colour."""
    library: Any = pytest.importorskip(
        "saliency_maps_metrics.multi_step_metrics", reason="the library saliency-maps-metrics is not installed"
    )
    monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)  # removed in numpy 2.4
    module = nn.Sequential(*list(net.features)[1:], *net.classify, nn.Softmax(1)).eval()
    scores = getattr(library, name)()(module, normalised(image[None]), raw[None, None], torch.tensor([3]))
    return {name: float(value) for name, value in scores.items()}


@pytest.mark.parametrize(("height", "width"), [(7, 7), (14, 14), (13, 11), (28, 28)])
def test_curves_and_correlations_by_cells_equal_saliency_maps_metrics(
    height: int, width: int, pooled: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library has more steps, or fails, between 196 and 392 cells and if 196 does not divide the cells."""
    image, raw = random_images(1, 56)[0], coarse(height, width)
    specs = [
        "deletion[cells=true]",
        "deletion_correlation[cells=true]",
        "insertion[fill=box,cells=true]",
        "insertion_correlation[fill=box,cells=true]",
    ]
    case = replace(case_of(image, stretch(fit(raw[None], (56, 56)))[0], 3), raw=raw.numpy())
    dauc, dc, iauc, ic = scoring.score(pooled, [case], [find(METRIC, spec) for spec in specs])[0]
    assert isinstance(dauc, Curve) and isinstance(iauc, Curve)
    library_scores = gomez_scores(pooled, "Deletion", image, raw, monkeypatch) | gomez_scores(
        pooled, "Insertion", image, raw, monkeypatch
    )
    expected = [library_scores[name] for name in ("dauc", "dc", "iauc", "ic")]
    assert [dauc.area, dc, iauc.area, ic] == pytest.approx(expected, abs=1e-4)
    assert len(dauc.scores) == min(height * width, 196) + 1


def test_a_step_of_cells_is_rounded_down(pooled: Net) -> None:
    """225 cells have 225 steps, as in saliency-maps-metrics."""
    raw = coarse(15, 15)
    assert len(score_map(pooled, random_images(1, 45)[0], raw, "deletion[cells=true]", raw).scores) == 225 + 1


def test_equal_cells_change_in_reading_order() -> None:
    image = torch.arange(16).float().view(4, 4).expand(3, 4, 4) / 120
    raw = torch.zeros(2, 2)
    curve = score_map(FakeNet(brightness), image, raw, "deletion[fill=black,cells=true]", raw)
    ordered = torch.tensor([[4.0, 3.0], [2.0, 1.0]])
    assert curve == score_map(FakeNet(brightness), image, ordered, "deletion[fill=black,cells=true]", ordered)


# --- normalised by the image's own scores ----------------------------------------------------------------------------


def test_normalised_curves_by_hand() -> None:
    """The net scores .2 on the fill and .7 on the image; after half the pixels the curves reach .7 and .3 of the range."""
    net = FakeNet(lambda images: 0.2 + brightness(images) / 2)
    specs = [f"{word}_normalised[steps=2,fill=black]" for word in ("insertion", "deletion")]
    insertion, deletion = score_all(net, FOUR, MAP, *specs)
    assert insertion.scores == pytest.approx([0, 0.7, 1], abs=1e-6)
    assert deletion.scores == pytest.approx([1, 0.3, 0], abs=1e-6)
    assert (insertion.area, deletion.area) == pytest.approx((0.6, 0.4), abs=1e-6)
    assert insertion.shares == deletion.shares == [0, 0.5, 1]


def test_normalised_scores_are_clipped_to_0_and_1() -> None:
    """The net scores .2 on the fill, .7 on the image, .9 on the first pixel alone and 0 on the second alone."""
    net = FakeNet(lambda images: 0.2 + images[:, 0, 0, 0] - images[:, 0, 0, 1])
    image, right, wrong = grey([0.7, 0.2]), torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    spec = "insertion_normalised[steps=2,fill=black]"
    assert score_map(net, image, right, spec).scores == [0, 1, 1]
    assert score_map(net, image, wrong, spec).scores == [0, 0, 1]
    spec = "deletion_normalised[steps=2,fill=black]"
    assert score_map(net, image, right, spec).scores == [1, 0, 0]
    assert score_map(net, image, wrong, spec).scores == [1, 1, 0]


@pytest.mark.parametrize("word", ["insertion", "deletion"])
@pytest.mark.parametrize("score", [lambda images: torch.full((len(images),), 0.3), lambda images: -brightness(images)])
def test_normalisation_is_not_applicable_if_the_image_scores_no_higher_than_the_fill(word: str, score: Any) -> None:
    result = score_map(FakeNet(score), FOUR, MAP, f"{word}_normalised[fill=black]")
    assert isinstance(result, NotApplicable) and "scores no higher" in str(result)


@pytest.mark.parametrize("settings", ["steps=7,fill=black", "fill=black,cells=true"])
@pytest.mark.parametrize(("word", "fill_index"), [("insertion", 0), ("deletion", -1)])
def test_normalised_curves_equal_a_naive_loop(word: str, fill_index: int, settings: str) -> None:
    """On a net whose score rises and falls; the points are those of the curve before normalisation."""
    net = FakeNet(lambda images: 0.5 + 0.1 * torch.sin(7 * images.mean((1, 2, 3))))
    image, raw = 0.6 * random_images(1, 12)[0], coarse(4, 4)
    curve, normalised_curve = score_all(
        net, image, raw, f"{word}[{settings}]", f"{word}_normalised[{settings}]", raw=raw
    )
    lowest, highest = curve.scores[fill_index], curve.scores[-1 - fill_index]
    expected = []
    for score in curve.scores:
        share = (score - lowest) / (highest - lowest)
        expected.append(0.0 if share < 0 else 1.0 if share > 1 else share)
    assert normalised_curve.scores == pytest.approx(expected, abs=1e-9)
    assert normalised_curve.shares == curve.shares and len(set(expected)) > 2


# --- insertion minus deletion ----------------------------------------------------------------------------------------


def test_insertion_minus_deletion_by_hand() -> None:
    settings = "steps=2,insertion=black,deletion=black"
    spec = f"insertion_minus_deletion[{settings}]"
    assert score_map(FakeNet(brightness), FOUR, MAP, spec) == pytest.approx(0.6 - 0.4, abs=1e-6)
    assert score_map(FakeNet(brightness), FOUR, 1 - MAP, spec) == pytest.approx(0.4 - 0.6, abs=1e-6)
    flat = FakeNet(lambda images: torch.full((len(images),), 0.3))
    assert score_map(flat, FOUR, MAP, spec) == pytest.approx(0)


def test_insertion_minus_deletion_is_1_for_a_perfect_and_minus_1_for_a_wrong_map() -> None:
    image, map_ = torch.full((3, 8, 8), 1.0), torch.zeros(8, 8)
    map_[5, 2] = 1
    net = FakeNet(lambda images: images[:, 0, 5, 2])
    spec = "insertion_minus_deletion[steps=64,insertion=black,deletion=black]"
    assert score_map(net, image, map_, spec) == pytest.approx(1 - 1 / 64)
    assert score_map(net, image, 1 - map_, spec) == pytest.approx(-1 + 1 / 64)


@pytest.mark.parametrize("cells", [False, True])
def test_insertion_minus_deletion_equals_the_difference_of_the_two_metrics(cells: bool, pooled: Net) -> None:
    image, raw = random_images(1, 16)[0], coarse(4, 4)
    setting = "cells=true" if cells else "steps=8"
    specs = (f"insertion[{setting}]", f"deletion[{setting}]", f"insertion_minus_deletion[{setting}]")
    insertion, deletion, difference = score_all(pooled, image, raw, *specs, raw=raw)
    assert difference == pytest.approx(insertion.area - deletion.area, abs=1e-12) and abs(difference) > 1e-4


def test_insertion_minus_deletion_with_one_fill_is_the_symmetric_relevance_gain(pooled: Net) -> None:
    """The gain is the area with the least relevant pixels removed first minus that with the most relevant first."""
    image, map_ = random_images(1, 16)[0], random_maps(1, 16)[0]
    gain = score_map(pooled, image, map_, "insertion_minus_deletion[steps=8,insertion=mean,deletion=mean]")
    most_first, least_first = (
        score_map(pooled, image, values, "deletion[steps=8]").area for values in (map_, 1 - map_)
    )
    assert gain == pytest.approx(least_first - most_first, abs=1e-6)


# --- ties ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", ["false", "true"])
def test_in_reverse_the_last_of_equal_pixels_changes_first(cells: str) -> None:
    """Pixels of .4 .3 .2 .1, of which the second is the highest and the others are equal."""
    image, map_ = grey([0.4, 0.3, 0.2, 0.1]), torch.tensor([[0.0, 1.0, 0.0, 0.0]])
    settings = f"steps=4,fill=black,ties=reverse,cells={cells}"
    specs = f"deletion[{settings}]", f"insertion[{settings}]"
    deletion, insertion = score_all(FakeNet(brightness), image, map_, *specs, raw=map_)
    assert deletion.scores == pytest.approx([1, 0.7, 0.6, 0.4, 0], abs=1e-6)
    assert insertion.scores == pytest.approx([0, 0.3, 0.4, 0.6, 1], abs=1e-6)


def shuffled(pixels: int, seed: int) -> list[int]:
    order: list[int] = torch.randperm(pixels, generator=torch.Generator().manual_seed(seed)).tolist()
    return order


@pytest.mark.parametrize(("orders", "seed"), [(2, 0), (5, 0), (3, 4)])
def test_tie_spread_of_a_constant_map_by_hand(orders: int, seed: int) -> None:
    """One of 16 pixels matters: the area of deletion is (its position + .5) / 16, that of insertion the remainder."""
    net = FakeNet(lambda images: images[:, 0, 0, 5])
    image = grey([1.0] * 16)
    places = [shuffled(16, order).index(5) for order in range(seed * 10_000, seed * 10_000 + orders)]
    settings = f"steps=16,fill=black,orders={orders},seed={seed}"
    spread = score_all(net, image, torch.zeros(1, 16), f"deletion_ties[{settings}]", f"insertion_ties[{settings}]")
    assert spread == pytest.approx([(max(places) - min(places)) / 16] * 2) and max(places) > min(places)


@pytest.mark.parametrize("word", ["deletion", "insertion"])
def test_tie_spread_equals_a_naive_loop(word: str, pooled: Net) -> None:
    """Areas of curves that change pixels one by one, sorted by value and ties by a seeded shuffle."""
    image, map_ = random_images(1, 12)[0], (random_maps(1, 12)[0] * 3).floor() / 3
    start, end = (image, make_fill(image, "mean")) if word == "deletion" else (make_fill(image, "blur"), image)
    areas = []
    for seed in range(4):
        shuffle = shuffled(144, seed)
        order = sorted(range(144), key=lambda pixel: (-float(map_.flatten()[pixel]), shuffle.index(pixel)))
        current, scores = start.clone(), []
        for pixel in [*order, None]:
            with torch.inference_mode():
                scores.append(float(pooled(current[None]).double().softmax(1)[0, 0]))
            if pixel is not None:
                current[:, pixel // 12, pixel % 12] = end[:, pixel // 12, pixel % 12]
        scores = scores[::12]
        areas.append((sum(scores) - scores[0] / 2 - scores[-1] / 2) / 12)
    spread = score_map(pooled, image, map_, f"{word}_ties[steps=12,orders=4]")
    assert spread == pytest.approx(max(areas) - min(areas), abs=1e-5) and spread > 1e-4


@pytest.mark.parametrize("word", ["deletion", "insertion"])
def test_without_ties_the_spread_is_0_and_needs_no_further_images(word: str) -> None:
    net: Any = FakeNet(lambda images: images.mean((1, 2, 3)))
    _, spread = score_all(
        net, random_images(1, 8)[0], random_maps(1, 8)[0], f"{word}[steps=8]", f"{word}_ties[steps=8]"
    )
    assert spread == 0.0 and len(net.images) == 9


@pytest.mark.parametrize("word", ["deletion", "insertion"])
def test_only_ties_separated_by_a_step_count(word: str) -> None:
    """Pairs of equal pixels: steps of two pixels separate no pair, every other step of three pixels does."""
    pairs = (torch.arange(12) // 2).float().view(1, 12) / 5
    image = random_images(1, 12)[0][:, :1]
    for steps, images in ((6, 7), (4, 3 + 2 * 5)):  # 0 6 12 once; 3 and 9 in each of five orders
        net: Any = FakeNet(lambda images: (images[:, 0] ** 2).sum((1, 2)))
        spread = score_map(net, image, pairs, f"{word}_ties[steps={steps},fill=black]")
        assert (spread > 0) == (steps == 4) and len(net.images) == images


def test_more_orders_never_reduce_the_spread() -> None:
    image, map_ = random_images(1, 12)[0], torch.zeros(12, 12)
    net = FakeNet(lambda images: (images[:, 0, :3] ** 2).sum((1, 2)))
    spreads = score_all(net, image, map_, *(f"deletion_ties[orders={orders}]" for orders in (2, 4, 8)))
    assert spreads[0] <= spreads[1] <= spreads[2] and spreads[0] < spreads[2]


# --- correlations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("word", "sign"), [("deletion", 1), ("insertion", 1)])
def test_a_map_proportional_to_the_score_changes_correlates_by_1(word: str, sign: int) -> None:
    """The inverted map correlates by -1."""
    spec = f"{word}_correlation[steps=4,fill=black]"
    net = FakeNet(brightness)
    assert score_map(net, FOUR, FOUR[0], spec) == pytest.approx(sign, abs=1e-6)
    assert score_map(net, FOUR, 1 - FOUR[0], spec) == pytest.approx(-sign, abs=1e-6)


@pytest.mark.parametrize("word", ["deletion", "insertion"])
def test_correlation_is_0_for_a_constant_map_or_score(word: str) -> None:
    spec = f"{word}_correlation[steps=4,fill=black]"
    assert score_map(FakeNet(brightness), FOUR, torch.zeros(1, 4), spec) == 0.0
    assert score_map(FakeNet(lambda images: torch.full((len(images),), 0.3)), FOUR, MAP, spec) == 0.0
    assert score_map(FakeNet(brightness), FOUR, MAP, f"{word}_correlation[steps=1,fill=black]") == 0.0


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize(("word", "sign"), [("deletion", -1), ("insertion", 1)])
def test_correlations_equal_a_naive_loop(word: str, sign: int, cells: bool, pooled: Net) -> None:
    """The correlation over the steps of the curve, by pixels of the map or by cells of the raw map."""
    image, raw = random_images(1, 19)[0], coarse(21, 21)
    settings = f"fill=black,{'cells=true' if cells else 'steps=8'}"
    curve, result = score_all(pooled, image, raw, f"{word}[{settings}]", f"{word}_correlation[{settings}]", raw=raw)
    values = raw if cells else stretch(fit(raw[None], (19, 19)))[0]
    falling = sorted(values.flatten().tolist(), reverse=True)
    counts = [round(share * len(falling)) for share in curve.shares]
    changes = [sign * (later - earlier) for earlier, later in pairwise(curve.scores)]
    means = [sum(falling[a:b]) / (b - a) for a, b in pairwise(counts)]
    assert len(set(np.diff(counts))) == 2
    assert result == pytest.approx(correlation(changes, means), abs=1e-5) and 0.01 < abs(result) < 1


# --- the work is shared ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "points"), [("steps=8", 7), ("cells=true", 15), ("steps=5,cells=true", 15)])
def test_curve_metrics_share_the_images_of_insertion_and_deletion(settings: str, points: int) -> None:
    """The inner points of both curves, the image, its blur and the mean colour, each scored once; the same with cells."""
    net: Any = FakeNet(lambda images: images.mean((1, 2, 3)))
    image, raw = random_images(1, 16)[0], coarse(4, 4)
    words = ("insertion", "deletion")
    specs = [f"{word}{suffix}[{settings}]" for word in words for suffix in ("", "_normalised", "_correlation")]
    score_all(net, image, raw, *specs, f"insertion_minus_deletion[{settings}]", raw=raw)
    seen = Counter(image.numpy().tobytes() for image in net.images)
    assert len(net.images) == 2 * points + 3 and set(seen.values()) == {1}


def test_curves_by_pixels_and_by_cells_share_their_end_points() -> None:
    net: Any = FakeNet(lambda images: images.mean((1, 2, 3)))
    specs = [f"{word}[{setting}]" for word in ("insertion", "deletion") for setting in ("steps=8", "cells=true")]
    score_all(net, random_images(1, 16)[0], coarse(4, 4), *specs, raw=coarse(4, 4))
    assert len(net.images) == 2 * (7 + 15) + 3
