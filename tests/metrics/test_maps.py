"""Metrics of the map alone and of its location, compared with results by hand, slow loops and other libraries."""

import math
import warnings
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench.bench.core.plugins import METRIC, find
from cambench.bench.data.types import Mask, Object
from cambench.tests.support.naive import in_hull, share
from cambench.tests.support.nets import FakeNet, brightness, random_maps, scores_of

ALONE = ("complexity", "entropy", "gini", "sparsity")


def score(map_: Tensor, *specs: str, objects: tuple[Object, ...] = ()) -> list[Any]:
    metrics = [find(METRIC, spec) for spec in specs]
    return scores_of(FakeNet(brightness), torch.zeros(3, *map_.shape), 0, map_[None], objects, metrics)[0]


def score_with_masks(map_: Tensor, spec: str, *masks: Mask) -> Any:
    return score(map_, spec, objects=tuple(Object(0, mask) for mask in masks))[0]


def peak_map(*pixels: tuple[int, int], size: int = 8) -> Tensor:
    return torch.from_numpy(share(*pixels, size=size)).float()


def import_quantus(name: str) -> Any:
    """Import a metric module of Quantus without the warnings of its import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(f"quantus.metrics.{name}", reason="the library quantus is not installed")


# --- how spread out a map is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "complexity", "entropy", "gini", "sparsity"),
    [
        ([1.0, 1.0, 0.0, 0.0], 0.5, 0.5, 0.5, 2.0),  # two of four pixels: log 2 / log 4; (1 + 3) / (4 * 2)
        ([0.0, 0.0, 1.0, 0.0], 0.25, 0.0, 0.75, 4.0),  # one pixel
        ([1.0, 0.5, 0.5, 0.0], 0.5, 0.75, 0.375, 2.0),  # shares 1/2 1/4 1/4: 1.5 of 2 bits; (3 + .5 - .5) / (4 * 2)
        ([0.0, 0.0, 0.0, 0.0], 0.0, 1.0, 0.0, 1.0),  # a constant map
    ],
)
def test_spread_by_hand(values: list[float], complexity: float, entropy: float, gini: float, sparsity: float) -> None:
    scores = score(torch.tensor([values]), *ALONE)
    assert scores == pytest.approx([complexity, entropy, gini, sparsity], abs=1e-6)


@pytest.mark.parametrize("power", [0.2, 1, 8])
def test_spread_metrics_equal_naive_loops(power: float) -> None:
    """Gini's index as half the mean difference of two pixels over their mean, with 1e-7 added to each."""
    for map_ in random_maps(3, 9) ** power:
        values = [float(value) for value in map_.flatten()]
        mean, count = sum(values) / 81, 81
        shares = [value / sum(values) for value in values]
        entropy = -sum(share * math.log(share) for share in shares if share) / math.log(count)
        gini = sum(abs(a - b) for a, b in product(values, values)) / (2 * count**2 * (mean + 1e-7))
        assert score(map_, *ALONE) == pytest.approx([mean, entropy, gini, max(values) / mean], rel=1e-6)


def test_all_spread_metrics_order_maps_in_the_same_way() -> None:
    rows = [score(map_, *ALONE) for map_ in (random_maps(1, 9)[0] ** power for power in (0.5, 1, 2, 4))]
    complexity, entropy, gini, sparsity = zip(*rows, strict=True)
    assert sorted(complexity, reverse=True) == list(complexity) and sorted(entropy, reverse=True) == list(entropy)
    assert sorted(gini) == list(gini) and sorted(sparsity) == list(sparsity)


@pytest.mark.parametrize("name", ALONE)
def test_where_the_values_lie_does_not_matter(name: str) -> None:
    map_ = random_maps(1, 9)[0]
    assert score(map_, name) == pytest.approx(score(map_.flip(0).T.contiguous(), name), rel=1e-9)


def test_sums_are_in_double_precision() -> None:
    """The single-precision sum of 512 x 512 values of .1 is wrong in the third digit."""
    map_ = torch.full((512, 512), 0.1)
    map_[0, 0], map_[0, 1] = 1, 0
    values = map_.double()
    mean, shares = float(values.mean()), (values / values.sum())[values > 0]
    entropy = float(-(shares * shares.log()).sum()) / math.log(512 * 512)
    assert score(map_, "complexity", "entropy", "sparsity") == pytest.approx([mean, entropy, 1 / mean], rel=1e-9)


@pytest.mark.parametrize("power", [0.2, 1, 8])
def test_gini_and_entropy_equal_quantus_sparseness_and_complexity(power: float) -> None:
    """Quantus does not divide complexity by log n, and gives NaN for a constant map."""
    sparseness, complexity = import_quantus("complexity.sparseness"), import_quantus("complexity.complexity")
    maps = random_maps(3, 9) ** power
    inputs = maps.double().numpy()[:, None]
    settings: dict[str, Any] = {"abs": True, "normalise": False, "disable_warnings": True}
    library_scores = [
        metric.evaluate_batch(x_batch=None, a_batch=inputs.copy())
        for metric in (sparseness.Sparseness(**settings), complexity.Complexity(**settings))
    ]
    our_scores = np.array([score(map_, "gini", "entropy") for map_ in maps]).T
    np.testing.assert_allclose(our_scores[0], library_scores[0], atol=1e-6)
    np.testing.assert_allclose(our_scores[1] * math.log(81), library_scores[1], atol=1e-6)


# --- pointing --------------------------------------------------------------------------------------------------------

RING = share(*((y, x) for y in range(1, 7) for x in range(1, 7) if not (2 < y < 5 and 2 < x < 5)))
ELL = share((2, 2), (3, 2), (4, 2), (4, 3), (4, 4))


def test_pointing_on_the_mask_the_hull_or_the_box() -> None:
    """An L shape: a peak next to its corner is in its hull; a peak in the opposite corner is in its box only."""
    for position, expected in (((2, 2), (1, 1, 1)), ((3, 3), (0, 1, 1)), ((2, 4), (0, 0, 1)), ((1, 2), (0, 0, 0))):
        result = tuple(
            score_with_masks(peak_map(position), f"pointing[on={on}]", ELL) for on in ("mask", "hull", "box")
        )
        assert result == expected, position
    assert (
        score_with_masks(peak_map((3, 3)), "pointing[on=mask]", RING) == 0
        and score_with_masks(peak_map((3, 3)), "pointing", RING) == 1
    )


def test_each_object_has_its_own_box() -> None:
    first, second, hidden = share((1, 1), (2, 2)), share((5, 6), (6, 5)), np.zeros((8, 8), dtype=bool)
    for position, expected in (((1, 2), 1), ((6, 6), 1), ((4, 4), 0), ((0, 1), 0)):
        assert score_with_masks(peak_map(position), "pointing[on=box]", first, second, hidden) == expected, position


def test_boxes_of_other_classes_do_not_count() -> None:
    objects = (Object(0, share((1, 1), (2, 2))), Object(1, share((5, 5), (6, 6))))
    assert score(peak_map((5, 6)), "pointing[on=box]", "energy[on=box]", objects=objects) == [0, 0]


def torchray(mask: Mask, point: tuple[int, int], tolerance: int) -> bool:
    """TorchRay's rule: some pixel of the object is less than the tolerance away, from centre to centre."""
    return any((y - point[0]) ** 2 + (x - point[1]) ** 2 < tolerance**2 for y, x in np.argwhere(mask))


@pytest.mark.parametrize("mask", [ELL, RING, share((0, 7))])
@pytest.mark.parametrize("tolerance", [1, 2, 3, 5])
def test_tolerance_equals_torchrays(mask: Mask, tolerance: int) -> None:
    hits = set()
    for position in product(range(8), range(8)):
        expected = torchray(mask, position, tolerance)
        assert score_with_masks(peak_map(position), f"pointing[on=mask,tolerance={tolerance}]", mask) == float(
            expected
        ), position
        hits.add(expected)
    assert True in hits and (tolerance > 1 or False in hits)


@pytest.mark.parametrize("tolerance", [0, 1])
def test_a_peak_without_tolerance_must_lie_inside(tolerance: int) -> None:
    """With a tolerance of 0, TorchRay counts no peak at all."""
    for position in product(range(8), range(8)):
        expected = float(ELL[position])
        assert score_with_masks(peak_map(position), f"pointing[on=mask,tolerance={tolerance}]", ELL) == expected, (
            position
        )


def test_tolerance_is_measured_from_the_edge_of_the_hull_or_box() -> None:
    corners = np.array([[y + dy, x + dx] for y, x in np.argwhere(ELL) for dy in (0, 1) for dx in (0, 1)], dtype=float)
    hull = np.array([[in_hull(corners, np.array([y + 0.5, x + 0.5])) for x in range(8)] for y in range(8)])
    box = share(*product(range(2, 5), range(2, 5)))
    assert hull.sum() > ELL.sum() and hull.sum() < box.sum()
    for on, region in (("hull", hull), ("box", box)):
        for position in product(range(8), range(8)):
            result = score_with_masks(peak_map(position), f"pointing[on={on},tolerance=3]", ELL)
            assert result == float(torchray(region, position, 3)), (on, position)


def test_pointing_counts_the_share_of_several_peaks() -> None:
    """TorchRay uses the first of several peaks."""
    assert score_with_masks(peak_map((2, 2), (0, 0), (7, 7), (1, 2)), "pointing[on=mask,tolerance=2]", ELL) == 0.5
    assert score_with_masks(torch.zeros(8, 8), "pointing[on=box]", ELL) == pytest.approx(9 / 64)


def test_pointing_on_the_mask_and_energy_equal_quantus() -> None:
    game, mass = import_quantus("localisation.pointing_game"), import_quantus("localisation.relevance_mass_accuracy")
    maps, masks = random_maps(12, 8), np.random.default_rng(0).random((12, 8, 8)) < 0.5
    settings: dict[str, Any] = {"abs": True, "normalise": False, "disable_warnings": True}
    inputs = {"a_batch": maps.double().numpy()[:, None], "s_batch": masks[:, None]}
    library_scores = [
        metric.evaluate_batch(**{name: value.copy() for name, value in inputs.items()}, x_batch=inputs["a_batch"])
        for metric in (game.PointingGame(**settings), mass.RelevanceMassAccuracy(**settings))
    ]
    our_scores = [
        score(map_, "pointing[on=mask]", "energy", objects=(Object(0, mask),))
        for map_, mask in zip(maps, masks, strict=True)
    ]
    np.testing.assert_allclose(np.array(our_scores).T, np.array(library_scores, dtype=float), atol=1e-6)
    assert len(set(library_scores[0])) == 2


# --- energy ----------------------------------------------------------------------------------------------------------


def test_energy_in_the_box_by_hand() -> None:
    """The box of a diagonal holds .5 + .25 of the map's sum, 1; the mask holds .5."""
    map_ = torch.tensor([[0.5, 0.0, 0.25], [0.25, 0.0, 0.0], [0.0, 0.0, 0.0]])
    diagonal = share((0, 0), (1, 1), size=3)
    assert score_with_masks(map_, "energy", diagonal) == pytest.approx(0.5)
    assert score_with_masks(map_, "energy[on=box]", diagonal) == pytest.approx(0.75)


def test_energy_of_two_boxes_is_that_of_their_union() -> None:
    map_ = random_maps(1, 8)[0]
    first, second = share((0, 0), (2, 2)), share((1, 1), (1, 4))
    inside = total = 0.0
    for y, x in product(range(8), range(8)):
        value = float(map_[y, x])
        total += value
        inside += value if (y <= 2 and x <= 2) or (y == 1 and 1 <= x <= 4) else 0
    assert score_with_masks(map_, "energy[on=box]", first, second) == pytest.approx(inside / total)


def test_the_box_energy_of_a_constant_map_is_the_area_of_the_box() -> None:
    assert score_with_masks(torch.zeros(8, 8), "energy[on=box]", ELL) == pytest.approx(9 / 64)
