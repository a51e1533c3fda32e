"""Metrics that remove regions, superpixels or random pixels, compared with results by hand and loops from the papers."""

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import LinearNDInterpolator
from torch import Tensor

from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METRIC, find
from cambench.bench.data.types import MEAN
from cambench.bench.metrics import pic
from cambench.bench.metrics.irof import find_superpixels
from cambench.bench.scoring.case import Curve
from cambench.tests.support.nets import FakeNet, brightness, case_of, random_images, random_maps, scores_of

Floats = NDArray[np.float64]


def score_map(net: Any, image: Tensor, map_: Tensor, spec: str) -> Any:
    return scores_of(net, image, 0, map_[None], (), [find(METRIC, spec)])[0][0]


def white(size: int = 4) -> Tensor:
    """An image of equal pixels that sum to 1."""
    return torch.full((3, size, size), 1 / size**2)


def squares(values: list[float]) -> Tensor:
    """A map of 4 x 4 pixels from the values of its four squares of 2 x 2."""
    return torch.tensor(values).view(2, 2).repeat_interleave(2, 0).repeat_interleave(2, 1)


# --- region perturbation -------------------------------------------------------------------------------------------------


def test_four_regions_of_a_linear_net_by_hand() -> None:
    """Each square takes a quarter of the score: f = 1, .75, .5, .25, 0, so AOPC is (0 + .25 + .5 + .75 + 1) / 5."""
    map_ = squares([0.2, 1.0, 0.0, 0.6])
    curve = score_map(FakeNet(brightness), white(), map_, "region_perturbation[patch=2]")
    assert curve.scores == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    assert curve.shares == [0, 0.25, 0.5, 0.75, 1]
    assert curve.area == pytest.approx(0.5)
    shorter = score_map(FakeNet(brightness), white(), map_, "region_perturbation[patch=2,regions=2]")
    assert shorter.area == pytest.approx((0 + 0.25 + 0.5) / 3)


def test_morf_and_lerf_of_a_net_that_sees_one_region() -> None:
    """The net scores the highest square only: MoRF removes it first, LeRF last."""
    net = FakeNet(lambda images: 16 * images[:, 0, :2, 2:].mean((1, 2)))
    map_ = squares([0.2, 1.0, 0.0, 0.6])
    morf, lerf, between = (
        score_map(net, white(), map_, f"region_perturbation[patch=2,order={order}]")
        for order in ("morf", "lerf", "abpc")
    )
    assert morf.scores == pytest.approx([1, 0, 0, 0, 0]) and morf.area == pytest.approx(4 / 5)
    assert lerf.scores == pytest.approx([1, 1, 1, 1, 0]) and lerf.area == pytest.approx(1 / 5)
    assert between.area == pytest.approx(3 / 5)


@pytest.mark.parametrize("order", ["morf", "lerf"])
@pytest.mark.parametrize(("size", "patch"), [(16, 8), (15, 4)])
def test_aopc_is_a_loop_over_regions(order: str, size: int, patch: int) -> None:
    net = FakeNet(lambda images: images[:, 0].mean((1, 2)) ** 2)
    image, map_ = random_images(1, size)[0], random_maps(1, size)[0]
    corners = [(y, x) for y in range(0, size, patch) for x in range(0, size, patch)]
    means = [float(map_[y : y + patch, x : x + patch].mean()) for y, x in corners]
    ordered = sorted(range(len(corners)), key=lambda k: -means[k] if order == "morf" else means[k])[:5]
    seen, scores = image.clone(), [float(image[0].mean() ** 2)]
    for k in ordered:
        y, x = corners[k]
        seen[:, y : y + patch, x : x + patch] = 0
        scores.append(float(seen[0].mean() ** 2))
    spec = f"region_perturbation[order={order},patch={patch},regions=5]"
    curve = score_map(net, image, map_, spec)
    assert curve.scores == pytest.approx(scores, abs=1e-6)
    assert curve.area == pytest.approx(float(np.mean([scores[0] - score for score in scores])), abs=1e-6)


# --- pixel flipping ------------------------------------------------------------------------------------------------------


def test_pixel_flipping_of_a_linear_net_by_hand() -> None:
    image = torch.tensor([0.5, 0.25, 0.25, 0.0]).expand(3, 1, 4).contiguous()
    curve = score_map(FakeNet(brightness), image, torch.tensor([[1.0, 0.5, 0.7, 0.0]]), "pixel_flipping[steps=4]")
    assert curve.scores == pytest.approx([1, 0.5, 0.25, 0, 0])
    assert curve.area == pytest.approx((1 / 2 + 0.5 + 0.25 + 0 + 0 / 2) / 4)


# --- faithfulness correlation --------------------------------------------------------------------------------------------


def test_a_linear_nets_own_contributions_correlate_perfectly() -> None:
    """A black pixel lowers the brightness by the value of a map of the brightness."""
    image = random_images(1, 16)[0]
    net = FakeNet(lambda images: images.mean((1, 2, 3)))
    contributions = image.mean(0)
    assert score_map(net, image, contributions, "faithfulness_correlation[subset=20]") == pytest.approx(1, abs=1e-5)
    assert score_map(net, image, 1 - contributions, "faithfulness_correlation[subset=20]") == pytest.approx(
        -1, abs=1e-5
    )
    assert score_map(net, image, torch.zeros(16, 16), "faithfulness_correlation") == 0
    assert abs(score_map(net, image, random_maps(1, 16, seed=3)[0], "faithfulness_correlation[subset=20]")) < 0.5


def test_pixel_sets_depend_on_the_seed_and_not_on_the_map() -> None:
    image, net = random_images(1, 12)[0], FakeNet(lambda images: images.mean((1, 2, 3)))
    metric = find(METRIC, "faithfulness_correlation[runs=3,subset=9]")
    scores_of(net, image, 0, random_maps(2, 12), (), [metric])
    clean, perturbed = net.images[0], net.images[1:]
    assert torch.equal(clean, image) and len(perturbed) == 3  # scored once for both maps
    assert all(int((score_map.sum(0) == 0).sum()) == 9 for score_map in perturbed)
    other_net = FakeNet(lambda images: images.mean((1, 2, 3)))
    scores_of(
        other_net, image, 0, random_maps(1, 12), (), [find(METRIC, "faithfulness_correlation[runs=3,subset=9,seed=1]")]
    )
    assert not torch.equal(other_net.images[1], perturbed[0])


# --- IROF ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_irof_is_a_loop_over_superpixels(seed: int) -> None:
    image, map_ = random_images(1, 32, seed=seed)[0], random_maps(1, 32, seed=seed)[0]
    labels = find_superpixels(case_of(image, map_), 12)[0]
    numbers = np.unique(labels)
    assert len(numbers) > 3
    ordered = sorted(numbers, key=lambda k: -float(map_.numpy()[labels == k].mean(dtype=np.float64)))
    seen, mean = image.clone(), torch.tensor(MEAN)[:, None]
    scores = [1.0]
    clean = float(image[0].mean())
    for k in ordered:
        seen[:, torch.from_numpy(labels == k)] = mean
        scores.append(min(float(seen[0].mean()) / clean, 1))
    curve = score_map(FakeNet(lambda images: images[:, 0].mean((1, 2))), image, map_, "irof[segments=12]")
    assert curve.scores == pytest.approx(scores, abs=1e-5)
    heights = [(a + b) / 2 for a, b in pairwise(scores)]
    assert curve.area == pytest.approx(1 - float(np.mean(heights)), abs=1e-5)


@pytest.mark.parametrize(
    "spec", ["region_perturbation[patch=64]", "region_perturbation[patch=64,order=abpc]", "irof[segments=2]"]
)
def test_an_image_of_one_region_has_a_curve_of_two_points(spec: str) -> None:
    image = torch.full((3, 32, 32), 0.7)
    curve = score_map(FakeNet(lambda images: images[:, 0].mean((1, 2))), image, random_maps(1, 32)[0], spec)
    assert isinstance(curve, Curve) and curve.shares == [0, 1] and len(curve.scores) == 2


def test_irof_is_0_if_the_score_is_0() -> None:
    curve = score_map(
        FakeNet(lambda images: torch.zeros(len(images))), random_images(1, 32)[0], random_maps(1, 32)[0], "irof"
    )
    assert curve.area == 0


# --- PIC -----------------------------------------------------------------------------------------------------------------


def _to_bytes(image: Tensor) -> NDArray[np.uint8]:
    """An image (3, h, w) in [0, 1] as pixels (h, w, 3)."""
    return (image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


def _size(image: Tensor) -> int:
    buffer = io.BytesIO()
    Image.fromarray(_to_bytes(image)).save(buffer, "WEBP", lossless=True, quality=100)
    return len(buffer.getvalue())


def contrast(images: Tensor) -> Tensor:
    """A score that is higher for sharper images, 0 for a uniform one."""
    return (images.diff(dim=3).abs().mean((1, 2, 3)) * 9).clamp(0, 1)


@pytest.mark.parametrize("kind", ["sic", "aic"])
def test_pic_follows_score_over_file_size(kind: str) -> None:
    """Sizes, heights and the curve are recomputed from the images that the net scored."""
    image, map_ = random_images(1, 24, seed=4)[0], random_maps(1, 24)[0]
    net = FakeNet(contrast)
    curve = score_map(net, image, map_, f"pic[kind={kind},least=0]")
    images = (*net.images[1:15], image)
    scores = [float(contrast(shown[None])) for shown in images]
    if kind == "aic":  # of two classes, the first is on top above one half
        scores = [float(score > 0.5) for score in scores]
    sizes = [_size(shown) for shown in images]
    x = np.clip([(size - sizes[0]) / (sizes[-1] - sizes[0]) for size in (*sizes[1:-1], sizes[0], sizes[-1])], 0, 1)
    y = np.clip([(score - scores[0]) / (scores[-1] - scores[0]) for score in scores[1:-1]], 0, 1)
    y = np.array([*np.maximum.accumulate(y), 0, 1])
    order = np.argsort(x, kind="stable")
    points = np.linspace(0, 1, 1001)
    assert curve.area == pytest.approx(float(np.trapezoid(np.interp(points, x[order], y[order]), points)), abs=1e-6)


@pytest.mark.parametrize("sharpen", ["interpolate", "paste"])
def test_pic_shows_the_highest_pixels_and_interpolates_the_others(sharpen: str) -> None:
    image, map_ = random_images(1, 24, seed=4)[0], random_maps(1, 24)[0]
    image = (image * 255).round() / 255
    net = FakeNet(contrast)
    score_map(net, image, map_, f"pic[sharpen={sharpen},least=0]")
    known = pic._draw_known(case_of(image, map_), 0)
    assert known.sum() in range(5, 10)  # 1 % of 576 pixels, and the corners
    shown = [known, *(known | (map_ >= map_.flatten().quantile(1 - share)).numpy() for share in pic.THRESHOLDS)]
    for picture, mask in zip(net.images[1:15], shown, strict=True):
        grid = shown[0] if sharpen == "paste" else mask
        expected = _to_bytes(image)
        for colour in range(3):
            interpolator = LinearNDInterpolator(np.argwhere(grid), expected[grid][:, colour])
            filled = interpolator(np.argwhere(~grid)).astype(np.float32).round()
            expected[~grid, colour] = filled
        expected[mask] = _to_bytes(image)[mask]
        assert (_to_bytes(picture) == expected).all()


@pytest.mark.parametrize(("kind", "reason"), [("sic", "less than 0.99"), ("aic", "not the top class")])
def test_pic_leaves_out_images_of_which_the_net_is_unsure(kind: str, reason: str) -> None:
    image, map_ = random_images(1, 24, seed=4)[0], random_maps(1, 24)[0]
    unsure = score_map(FakeNet(lambda images: contrast(images) / 3), image, map_, f"pic[kind={kind},least=0.99]")
    assert isinstance(unsure, NotApplicable) and reason in str(unsure)


def test_the_accuracy_of_pic_leaves_out_images_that_are_right_when_blurred() -> None:
    image, map_ = random_images(1, 24, seed=4)[0], random_maps(1, 24)[0]
    net = FakeNet(lambda images: contrast(images) / 4 + 0.6)
    assert isinstance(score_map(net, image, map_, "pic[least=0]"), Curve)
    known = score_map(net, image, map_, "pic[kind=aic]")
    assert isinstance(known, NotApplicable) and "does not score lower" in str(known)


def test_pic_is_not_applicable_where_its_authors_skip_images() -> None:
    image, map_ = random_images(1, 24, seed=4)[0], random_maps(1, 24)[0]
    unsure = score_map(FakeNet(contrast), image, map_, "pic[least=0.99]")
    assert isinstance(unsure, NotApplicable) and "less than 0.99" in str(unsure)
    level = score_map(FakeNet(lambda images: torch.full((len(images),), 0.9)), image, map_, "pic")
    assert isinstance(level, NotApplicable) and "does not score lower" in str(level)


def test_pic_refuses_an_image_that_compresses_no_better_when_blurred_before_it_sharpens_it() -> None:
    net = FakeNet(lambda images: torch.full((len(images),), 0.9))
    uniform = score_map(net, torch.full((3, 24, 24), 0.5), random_maps(1, 24)[0], "pic")
    assert isinstance(uniform, NotApplicable) and "does not compress better" in str(uniform)
    assert len(net.images) == 1


def test_pic_sharpens_the_same_blurred_image_for_every_map() -> None:
    image, net = random_images(1, 24, seed=4)[0], FakeNet(contrast)
    rows = scores_of(net, image, 0, random_maps(2, 24), (), [find(METRIC, "pic[least=0]")])
    assert all(isinstance(row[0], Curve) for row in rows)
    assert torch.equal(net.images[1], net.images[15])
