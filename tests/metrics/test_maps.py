"""Metrics of the map alone, and of where it lies: by hand, by slow loops, and as other libraries."""

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


def of(map_: Tensor, *specs: str, objects: tuple[Object, ...] = ()) -> list[Any]:
    metrics = [find(METRIC, spec) for spec in specs]
    return scores_of(FakeNet(brightness), torch.zeros(3, *map_.shape), 0, map_[None], objects, metrics)[0]


def pointed(map_: Tensor, spec: str, *masks: Mask) -> Any:
    return of(map_, spec, objects=tuple(Object(0, mask) for mask in masks))[0]


def peak(*pixels: tuple[int, int], size: int = 8) -> Tensor:
    return torch.from_numpy(share(*pixels, size=size)).float()


def quantus(name: str) -> Any:
    """A module of the library, whose import warns of much that is not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(f"quantus.metrics.{name}", reason="the library quantus is not installed")


# --- how spread out a map is -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "complexity", "entropy", "gini", "sparsity"),
    [
        ([1.0, 1.0, 0.0, 0.0], 0.5, 0.5, 0.5, 2.0),  # two of four, alike: log 2 / log 4; (1 + 3) / (4 * 2)
        ([0.0, 0.0, 1.0, 0.0], 0.25, 0.0, 0.75, 4.0),  # all on one
        ([1.0, 0.5, 0.5, 0.0], 0.5, 0.75, 0.375, 2.0),  # shares 1/2 1/4 1/4: 1.5 of 2 bits; (3 + .5 - .5) / (4 * 2)
        ([0.0, 0.0, 0.0, 0.0], 0.0, 1.0, 0.0, 1.0),  # a constant map is everywhere alike
    ],
)
def test_spread_by_hand(values: list[float], complexity: float, entropy: float, gini: float, sparsity: float) -> None:
    found = of(torch.tensor([values]), *ALONE)
    assert found == pytest.approx([complexity, entropy, gini, sparsity], abs=1e-6)


@pytest.mark.parametrize("power", [0.2, 1, 8])
def test_spread_is_that_of_naive_loops(power: float) -> None:
    """Gini's index as half the mean difference of two pixels over their mean, with 1e-7 added to each."""
    for map_ in random_maps(3, 9) ** power:
        values = [float(value) for value in map_.flatten()]
        mean, count = sum(values) / 81, 81
        shares = [value / sum(values) for value in values]
        entropy = -sum(share * math.log(share) for share in shares if share) / math.log(count)
        gini = sum(abs(a - b) for a, b in product(values, values)) / (2 * count**2 * (mean + 1e-7))
        assert of(map_, *ALONE) == pytest.approx([mean, entropy, gini, max(values) / mean], rel=1e-6)


def test_a_map_that_is_more_spread_is_less_sparse_by_each() -> None:
    rows = [of(map_, *ALONE) for map_ in (random_maps(1, 9)[0] ** power for power in (0.5, 1, 2, 4))]
    complexity, entropy, gini, sparsity = zip(*rows, strict=True)
    assert sorted(complexity, reverse=True) == list(complexity) and sorted(entropy, reverse=True) == list(entropy)
    assert sorted(gini) == list(gini) and sorted(sparsity) == list(sparsity)


@pytest.mark.parametrize("name", ALONE)
def test_where_the_values_lie_does_not_matter(name: str) -> None:
    map_ = random_maps(1, 9)[0]
    assert of(map_, name) == pytest.approx(of(map_.flip(0).T.contiguous(), name), rel=1e-9)


def test_sums_are_in_double_precision() -> None:
    """Of 512 x 512 values of .1 and one of 1 a sum in single precision is off in the third digit."""
    map_ = torch.full((512, 512), 0.1)
    map_[0, 0], map_[0, 1] = 1, 0
    values = map_.double()
    mean, shares = float(values.mean()), (values / values.sum())[values > 0]
    entropy = float(-(shares * shares.log()).sum()) / math.log(512 * 512)
    assert of(map_, "complexity", "entropy", "sparsity") == pytest.approx([mean, entropy, 1 / mean], rel=1e-9)


@pytest.mark.parametrize("power", [0.2, 1, 8])
def test_gini_is_quantus_sparseness_and_entropy_its_complexity(power: float) -> None:
    """Its complexity is not divided by log n, and of a constant map not a number."""
    sparseness, complexity = quantus("complexity.sparseness"), quantus("complexity.complexity")
    maps = random_maps(3, 9) ** power
    given = maps.double().numpy()[:, None]
    settings: dict[str, Any] = {"abs": True, "normalise": False, "disable_warnings": True}
    theirs = [
        metric.evaluate_batch(x_batch=None, a_batch=given.copy())
        for metric in (sparseness.Sparseness(**settings), complexity.Complexity(**settings))
    ]
    ours = np.array([of(map_, "gini", "entropy") for map_ in maps]).T
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-6)
    np.testing.assert_allclose(ours[1] * math.log(81), theirs[1], atol=1e-6)


# --- pointing --------------------------------------------------------------------------------------------------------

RING = share(*((y, x) for y in range(1, 7) for x in range(1, 7) if not (2 < y < 5 and 2 < x < 5)))
ELL = share((2, 2), (3, 2), (4, 2), (4, 3), (4, 4))


def test_pointing_on_the_mask_the_hull_or_the_box() -> None:
    """An ell: a peak beside its corner is in its hull, one in the corner opposite in its box alone."""
    for place, expected in (((2, 2), (1, 1, 1)), ((3, 3), (0, 1, 1)), ((2, 4), (0, 0, 1)), ((1, 2), (0, 0, 0))):
        found = tuple(pointed(peak(place), f"pointing[on={on}]", ELL) for on in ("mask", "hull", "box"))
        assert found == expected, place
    assert pointed(peak((3, 3)), "pointing[on=mask]", RING) == 0 and pointed(peak((3, 3)), "pointing", RING) == 1


def test_a_box_is_each_objects_own() -> None:
    first, second, hidden = share((1, 1), (2, 2)), share((5, 6), (6, 5)), np.zeros((8, 8), dtype=bool)
    for place, expected in (((1, 2), 1), ((6, 6), 1), ((4, 4), 0), ((0, 1), 0)):
        assert pointed(peak(place), "pointing[on=box]", first, second, hidden) == expected, place


def test_a_box_is_of_the_target_alone() -> None:
    objects = (Object(0, share((1, 1), (2, 2))), Object(1, share((5, 5), (6, 6))))
    assert of(peak((5, 6)), "pointing[on=box]", "energy[on=box]", objects=objects) == [0, 0]


def torchray(mask: Mask, point: tuple[int, int], tolerance: int) -> bool:
    """TorchRay's rule: some pixel of the object is less than the tolerance away, from centre to centre."""
    return any((y - point[0]) ** 2 + (x - point[1]) ** 2 < tolerance**2 for y, x in np.argwhere(mask))


@pytest.mark.parametrize("mask", [ELL, RING, share((0, 7))])
@pytest.mark.parametrize("tolerance", [1, 2, 3, 5])
def test_tolerance_is_torchrays(mask: Mask, tolerance: int) -> None:
    hits = set()
    for place in product(range(8), range(8)):
        expected = torchray(mask, place, tolerance)
        assert pointed(peak(place), f"pointing[on=mask,tolerance={tolerance}]", mask) == float(expected), place
        hits.add(expected)
    assert True in hits and (tolerance > 1 or False in hits)


@pytest.mark.parametrize("tolerance", [0, 1])
def test_without_tolerance_a_peak_is_inside_or_not(tolerance: int) -> None:
    """TorchRay's tolerance of 0 would be hit by nothing."""
    for place in product(range(8), range(8)):
        expected = float(ELL[place])
        assert pointed(peak(place), f"pointing[on=mask,tolerance={tolerance}]", ELL) == expected, place


def test_tolerance_on_the_hull_and_the_box_is_from_their_edge() -> None:
    corners = np.array([[y + dy, x + dx] for y, x in np.argwhere(ELL) for dy in (0, 1) for dx in (0, 1)], dtype=float)
    hull = np.array([[in_hull(corners, np.array([y + 0.5, x + 0.5])) for x in range(8)] for y in range(8)])
    box = share(*product(range(2, 5), range(2, 5)))
    assert hull.sum() > ELL.sum() and hull.sum() < box.sum()
    for on, region in (("hull", hull), ("box", box)):
        for place in product(range(8), range(8)):
            found = pointed(peak(place), f"pointing[on={on},tolerance=3]", ELL)
            assert found == float(torchray(region, place, 3)), (on, place)


def test_of_several_peaks_the_share_counts_and_of_a_constant_map_all() -> None:
    """TorchRay takes one of them, whichever is found first."""
    assert pointed(peak((2, 2), (0, 0), (7, 7), (1, 2)), "pointing[on=mask,tolerance=2]", ELL) == 0.5
    assert pointed(torch.zeros(8, 8), "pointing[on=box]", ELL) == pytest.approx(9 / 64)


def test_pointing_on_the_mask_and_its_energy_are_those_of_quantus() -> None:
    game, mass = quantus("localisation.pointing_game"), quantus("localisation.relevance_mass_accuracy")
    maps, masks = random_maps(12, 8), np.random.default_rng(0).random((12, 8, 8)) < 0.5
    settings: dict[str, Any] = {"abs": True, "normalise": False, "disable_warnings": True}
    given = {"a_batch": maps.double().numpy()[:, None], "s_batch": masks[:, None]}
    theirs = [
        metric.evaluate_batch(**{name: value.copy() for name, value in given.items()}, x_batch=given["a_batch"])
        for metric in (game.PointingGame(**settings), mass.RelevanceMassAccuracy(**settings))
    ]
    ours = [
        of(map_, "pointing[on=mask]", "energy", objects=(Object(0, mask),))
        for map_, mask in zip(maps, masks, strict=True)
    ]
    np.testing.assert_allclose(np.array(ours).T, np.array(theirs, dtype=float), atol=1e-6)
    assert len(set(theirs[0])) == 2


# --- energy ----------------------------------------------------------------------------------------------------------


def test_energy_in_the_box_by_hand() -> None:
    """Score-CAM's: .5 + .25 in the box of a diagonal, of 1 in all; on the mask .5."""
    map_ = torch.tensor([[0.5, 0.0, 0.25], [0.25, 0.0, 0.0], [0.0, 0.0, 0.0]])
    diagonal = share((0, 0), (1, 1), size=3)
    assert pointed(map_, "energy", diagonal) == pytest.approx(0.5)
    assert pointed(map_, "energy[on=box]", diagonal) == pytest.approx(0.75)


def test_energy_of_two_boxes_counts_nothing_twice_and_nothing_between_them() -> None:
    map_ = random_maps(1, 8)[0]
    first, second = share((0, 0), (2, 2)), share((1, 1), (1, 4))
    inside = total = 0.0
    for y, x in product(range(8), range(8)):
        value = float(map_[y, x])
        total += value
        inside += value if (y <= 2 and x <= 2) or (y == 1 and 1 <= x <= 4) else 0
    assert pointed(map_, "energy[on=box]", first, second) == pytest.approx(inside / total)


def test_a_constant_map_has_the_boxes_area() -> None:
    assert pointed(torch.zeros(8, 8), "energy[on=box]", ELL) == pytest.approx(9 / 64)
