"""Numbers of maps are computed for all maps of a batch at once, and equal those of plain NumPy, map by map."""

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata
from torch import Tensor

from cambench.bench.core.plugins import METRIC, find
from cambench.bench.data.types import Mask, Object
from cambench.bench.metrics import energy, gini, max_sensitivity
from cambench.bench.scoring import map_values
from cambench.bench.scoring import score as scoring
from cambench.bench.scoring.blend import Canvas
from cambench.bench.scoring.case import Case, Curve, MapOf, Rerun
from cambench.bench.scoring.further_maps import FurtherMaps
from cambench.bench.scoring.perturbations import Clean
from cambench.tests.support.nets import FakeNet, brightness, random_images, random_maps

SIZE = 16
Pixels = NDArray[np.float64]
ROWS, COLUMNS = np.mgrid[:SIZE, :SIZE]


def cut_disc(row: int, column: int) -> Mask:
    disc: Mask = (ROWS - row) ** 2 + (COLUMNS - column) ** 2 < 16
    return disc


class Explainer:
    """A method whose map of an image is its red channel in nine steps; random weights turn the image upside down."""

    def explain(self, images: Tensor, *_: Any) -> Tensor:
        return (images[:, 0] * 8).round() / 8

    def explain_randomised(self, share: float, _: int, images: Tensor, *__: Any) -> Tensor:
        return self.explain((1 - share) * images + share * images.flip(2))


def make_cases() -> list[Case]:
    """Cases of three images with five maps each: random ones, one with few values, one of zeros and one of 1s and 0s."""
    cases = []
    for number, image in enumerate(random_images(3, SIZE)):
        first, second = random_maps(2, SIZE, seed=number) ** (1 + number)
        maps = [first, second**8, (first * 4).floor() / 4, torch.zeros(SIZE, SIZE), (second > 0.9).float()]
        objects = (Object(0, cut_disc(4, 4 + number)), Object(1, cut_disc(10, 10)))
        rerun, shared = Rerun(_never, _never, Explainer()), dict[Hashable, Any]()
        for map_ in maps:
            cases.append(Case(map_.numpy(), 0, objects, image, map_.numpy(), rerun, number, shared))
    return cases


def _never(*_: Any) -> Any:
    raise AssertionError("the images are explained one by one")


def compute_gini(map_: Pixels, _: Case) -> float:
    values = np.sort(map_, axis=None)
    weights = 2 * np.arange(1, values.size + 1) - values.size - 1
    return float(weights @ values / (values.size * (values + 1e-7).sum()))


def compute_entropy(map_: Pixels, _: Case) -> float:
    if np.ptp(map_) == 0:
        return 1.0
    shares = map_[map_ > 0] / map_.sum()
    return float(-(shares @ np.log(shares)) / np.log(map_.size))


def compute_pointing(map_: Pixels, case: Case) -> float:
    return float((distance_transform_edt(~case.target_mask) < 3)[map_ == map_.max()].mean())


def compute_inside(map_: Pixels, mask: Mask) -> float:
    return float(map_[mask].sum() / map_.sum()) if map_.any() else float(mask.mean())


def correlate(first: Pixels, second: Pixels) -> float | None:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1]) if np.ptp(first) and np.ptp(second) else None


def explain(image: Tensor) -> Pixels:
    map_: Pixels = Explainer().explain(image[None])[0].double().numpy()
    return map_


def compute_coherency(map_: Pixels, case: Case) -> float:
    """The image is masked by its map as blending does it: black is 0."""
    r = correlate(map_, explain(torch.lerp(torch.zeros_like(case.image), case.image, torch.from_numpy(case.map))))
    return 0.0 if r is None else (1 + r) / 2


def compute_sensitivity(map_: Pixels, case: Case) -> float:
    noisy = max_sensitivity._add_noise(case, 0.1, 3, 0).images
    norm, largest = np.linalg.norm(map_), max(np.linalg.norm(explain(image) - map_) for image in noisy)
    return float(largest / norm) if norm else float(largest > 0)


def compute_randomisation(map_: Pixels, case: Case) -> float:
    """The mean over half of the layers and all; two constant maps do not occur."""
    others = [explain((1 - share) * case.image + share * case.image.flip(1)) for share in (0.5, 1)]
    return sum(correlate(rankdata(map_), rankdata(other)) or 0.0 for other in others) / 2


NAIVE: dict[str, Callable[[Pixels, Case], float]] = {
    "gini": compute_gini,
    "entropy": compute_entropy,
    "complexity": lambda map_, _: float(map_.mean()),
    "sparsity": lambda map_, _: float(map_.max() / map_.mean()) if map_.any() else 1.0,
    "pointing[on=mask,tolerance=3]": compute_pointing,
    "energy": lambda map_, case: compute_inside(map_, case.target_mask),
    "distractor": lambda map_, case: compute_inside(map_, case.distractor_mask),
    "coherency[fill=black]": compute_coherency,
    "max_sensitivity[radius=0.1,samples=3]": compute_sensitivity,
    "randomisation[stages=2]": compute_randomisation,
}


@pytest.mark.parametrize("most_pixels", [2**18, 2 * SIZE * SIZE, 1])
@pytest.mark.parametrize("spec", NAIVE)
def test_numbers_of_many_maps_equal_those_of_numpy_map_by_map(
    spec: str, most_pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a call has all maps, two of them, which may be of different images, or one."""
    monkeypatch.setattr(map_values, "MOST_PIXELS_ON_CPU", most_pixels)
    cases = make_cases()
    scores = scoring.score(FakeNet(brightness), cases, [find(METRIC, spec)])
    expected = [NAIVE[spec](case.map.astype(np.float64), case) for case in cases]
    assert [getattr(score, "area", score) for (score,) in scores] == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert len(set(expected)) > 5


def test_a_map_is_as_similar_to_itself_as_can_be() -> None:
    for (curve,) in scoring.score(FakeNet(brightness), make_cases(), [find(METRIC, "randomisation[stages=1]")]):
        assert isinstance(curve, Curve) and curve.scores[0] == 1


def test_one_call_computes_the_numbers_of_all_images(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = list[tuple[torch.Size, ...]]()

    def counted(compute: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*arguments: Tensor) -> Tensor:
            calls.append(tuple(argument.shape for argument in arguments))
            return compute(*arguments)

        return call

    for metric, name in (
        (gini, "compute_gini"),
        (energy, "compute_share_inside"),
        (max_sensitivity, "compute_distance"),
    ):
        monkeypatch.setattr(metric, name, counted(getattr(metric, name)))
    metrics = [find(METRIC, spec) for spec in ("gini", "energy", "max_sensitivity[samples=2]")]
    scoring.score(FakeNet(brightness), make_cases(), metrics)
    maps = torch.Size((15, SIZE, SIZE))
    assert calls == [(maps,), (maps, maps), (torch.Size((30, SIZE, SIZE)),) * 2]


def test_masks_of_images_are_moved_together_and_a_map_without_one_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = list[int]()
    stack = np.stack

    def counted(arrays: list[Mask]) -> Any:
        moved.append(len(arrays))
        return stack(arrays)

    cases = make_cases()
    cases[5:10] = [Case(case.map, 0, (), case.image, case.raw) for case in cases[5:10]]
    maps = torch.from_numpy(np.stack([case.map for case in cases]))
    monkeypatch.setattr(np, "stack", counted)
    scores = scoring.score(FakeNet(brightness), cases, [find(METRIC, "energy"), find(METRIC, "distractor")], maps=maps)
    assert moved == [2 * 2], "a mask is moved more than once, or apart"
    expected = [NAIVE["energy"](case.map.astype(np.float64), case) for case in (*cases[:5], *cases[10:])]
    assert [row[0] for row in scores if isinstance(row[0], float)] == pytest.approx(expected, rel=1e-12)
    assert [isinstance(row[0], float) for row in scores] == [True] * 5 + [False] * 5 + [True] * 5


def test_a_map_that_is_asked_for_again_is_made_once() -> None:
    """By two metrics together, or later."""
    explained = list[int]()

    class Counting(Explainer):
        def explain(self, images: Tensor, *_: Any) -> Tensor:
            explained.append(len(images))
            return super().explain(images)

    explainer, cases = Counting(), make_cases()
    cases = [Case(each.map, 0, (), each.image, each.raw, Rerun(_never, _never, explainer)) for each in cases]
    scoring.score(FakeNet(brightness), cases, [find(METRIC, "coherency"), find(METRIC, "adcc")])
    assert explained == [15]
    maps = FurtherMaps(cases, [Canvas(case.image, torch.zeros(15, SIZE, SIZE)) for case in cases])
    for case in (0, 0, 1):
        maps.make([(case, MapOf(Clean())), (0, MapOf(Clean()))])
    assert explained == [15, 1, 1]
