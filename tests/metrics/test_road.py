"""ROAD: imputation compared with an exact sparse solver, the metric with results by hand and with pytorch-grad-cam."""

from itertools import product
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor

from cambench.bench.core.plugins import METRIC, find
from cambench.bench.data.types import MEAN, STD
from cambench.bench.metrics.road import PERCENTILES
from cambench.bench.scoring.impute import impute
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.tests.support.nets import FakeNet, random_images, random_maps, scores_of


def score_map(net: Any, image: Tensor, map_: Tensor, spec: str) -> float:
    score = scores_of(net, image, 0, map_[None], (), [find(METRIC, spec)])[0][0]
    assert isinstance(score, float)
    return score


def solve_exactly(image: Tensor, missing: Tensor) -> Tensor:
    """Each missing pixel is the weighted mean of its neighbours: a linear system, solved by scipy."""
    height, width = missing.shape
    pixels = [(int(y), int(x)) for y, x in missing.nonzero()]
    row = {pixel: k for k, pixel in enumerate(pixels)}
    system, right = lil_matrix((len(pixels), len(pixels))), np.zeros((len(pixels), 3))
    for (y, x), k in row.items():
        neighbours = [
            (y + dy, x + dx, 1 / 12 if dy and dx else 1 / 6)
            for dy, dx in product((-1, 0, 1), repeat=2)
            if (dy or dx) and 0 <= y + dy < height and 0 <= x + dx < width
        ]
        system[k, k] = sum(weight for _, _, weight in neighbours)
        for v, u, weight in neighbours:
            if (v, u) in row:
                system[k, row[v, u]] = -weight
            else:
                right[k] += weight * image[:, v, u].double().numpy()
    filled = image.clone()
    solution = spsolve(system.tocsr(), right)
    filled[:, missing] = torch.from_numpy(solution.reshape(len(pixels), 3).T).float()
    return filled


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("size", [(32, 32), (29, 40)])
@pytest.mark.parametrize("coarse", [True, False])
def test_missing_pixels_are_the_means_of_their_neighbours(share: float, size: tuple[int, int], coarse: bool) -> None:
    image = random_images(1, 40)[0, :, : size[0], : size[1]].contiguous()
    map_ = torch.rand(1, 5, 5, generator=torch.Generator().manual_seed(2)) if coarse else random_maps(1, 40)[:, :, :]
    map_ = fit(map_, size)[0]
    missing = map_ >= map_.flatten().quantile(1 - share)
    imputed = impute(image, missing[None])[0]
    assert torch.equal(imputed[:, ~missing], image[:, ~missing])
    assert float((imputed - solve_exactly(image, missing)).abs().max()) < 1e-3


def test_sets_are_imputed_independently_and_all_missing_gives_the_mean_colour() -> None:
    image = random_images(1, 24)[0]
    sets = torch.stack([random_maps(1, 24, seed=k)[0] < share for k, share in enumerate((0.2, 0.6, 0.95, 2.0, -1.0))])
    together = impute(image, sets)
    for number, missing in enumerate(sets[:3]):
        torch.testing.assert_close(together[number], impute(image, missing[None])[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(together[3], torch.tensor(MEAN).view(3, 1, 1).expand(3, 24, 24))
    assert torch.equal(together[4], image)


def test_road_of_a_net_that_reads_one_corner() -> None:
    """The corner is the map's highest pixel: MoRF imputes it at every percentile, LeRF at none."""
    image = torch.zeros(3, 10, 10)
    image[:, 0, 0] = 1
    map_ = torch.zeros(10, 10)
    map_[0, 0] = 1
    net = FakeNet(lambda images: images[:, 0, 0, 0].clamp(0, 1))
    assert score_map(net, image, map_, "road[order=lerf,noise=0]") == pytest.approx(0, abs=1e-6)
    assert score_map(net, image, map_, "road[order=morf,noise=0]") == pytest.approx(-1, abs=1e-6)
    assert score_map(net, image, map_, "road[noise=0]") == pytest.approx(0.5, abs=1e-6)
    assert score_map(net, image, map_, "road[order=lerf,read=accuracy,noise=0]") == 1
    assert score_map(net, image, map_, "road[order=morf,read=accuracy,noise=0]") == 0


def test_the_better_direction_depends_on_the_order() -> None:
    assert find(METRIC, "road").better == find(METRIC, "road[order=lerf]").better == "higher"
    assert find(METRIC, "road[order=morf]").better == "lower"


def test_road_noise_is_in_normalised_colours_and_the_same_for_every_map() -> None:
    image, maps = random_images(1, 32)[0], random_maps(2, 32)
    net = FakeNet(lambda images: images.mean((1, 2, 3)))
    scores_of(net, image, 0, maps, (), [find(METRIC, "road[order=morf,noise=0.05]")])
    noiseless = FakeNet(lambda images: images.mean((1, 2, 3)))
    scores_of(noiseless, image, 0, maps, (), [find(METRIC, "road[order=morf,noise=0]")])
    noise = [
        (noisy - clear) / torch.tensor(STD).view(3, 1, 1)
        for noisy, clear in zip(net.images, noiseless.images, strict=True)
    ]
    first, second = noise[9], noise[18]  # 90 % imputed, for each of the two maps
    both = (first != 0) & (second != 0)
    assert float(first[first != 0].std()) == pytest.approx(0.05, rel=0.1)
    torch.testing.assert_close(first[both], second[both], atol=1e-5, rtol=0)


class Imputer(Protocol):
    def __call__(self, image: Tensor, kept: Tensor) -> Tensor: ...


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library calls numpy on tensors
def test_combined_road_equals_pytorch_grad_cams() -> None:
    library = pytest.importorskip(
        "pytorch_grad_cam.metrics.road", reason="pytorch-grad-cam, of `references`, is not installed"
    )
    image = random_images(1, 32)[0]
    map_ = stretch(fit(torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(3)).sub(0.4).relu(), (32, 32)))[0]
    imputer: Imputer = library.NoisyLinearImputer(noise=0)
    scores: dict[str, list[float]] = {"morf": [], "lerf": []}
    for percentile in PERCENTILES:
        for order, seen in (("morf", map_), ("lerf", 1 - map_)):
            kept = (seen < np.percentile(seen.numpy(), percentile)).float()
            made_up = imputer(image, kept) if bool(kept.any()) else torch.tensor(MEAN).view(3, 1, 1).expand(3, 32, 32)
            scores[order].append(float((made_up[0].mean() ** 2).clamp(0, 1)))
    expected = (np.mean(scores["lerf"]) - np.mean(scores["morf"])) / 2
    net = FakeNet(lambda images: (images[:, 0].mean((1, 2)) ** 2).clamp(0, 1))
    assert score_map(net, image, map_, "road[threshold=true,noise=0]") == pytest.approx(float(expected), abs=1e-4)
