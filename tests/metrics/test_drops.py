"""Drop metrics, coherency and ADCC, compared with results by hand, slow loops and other libraries."""

from contextlib import nullcontext
from functools import partial
from statistics import correlation, harmonic_mean
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METHOD, METRIC, Plugin, find
from cambench.bench.data.types import MEAN, STD
from cambench.bench.forward.forward import Stream
from cambench.bench.nets.net import Net
from cambench.bench.scoring.blend import make_fill
from cambench.bench.scoring.case import Asking, Case, Rerun, Score
from cambench.bench.scoring.perturbations import Fill, Masked
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.bench.scoring.rerun import MethodRunner, prepare_rerun
from cambench.methods import grad_cam
from cambench.tests.support.naive import grey
from cambench.tests.support.nets import FakeNet, brightness, random_images, random_maps, scores_of

RAMP = torch.tensor([[0.0, 1 / 3, 2 / 3, 1.0]])
FOUR = grey([0.4, 0.3, 0.2, 0.1])


def score_map(net: Any, image: Tensor, map_: Tensor, spec: str, method: Rerun | None = None, target: int = 0) -> Any:
    return scores_of(net, image, target, map_[None], (), [find(METRIC, spec)], method)[0][0]


def difference_of_pixels(images: Tensor) -> Tensor:
    """The first pixel raises the score, the second lowers it."""
    return images[:, 0, 0, 0] - images[:, 0, 0, 1]


def probabilities(net: Net, images: Tensor, target: int) -> list[float]:
    with torch.inference_mode():
        scores: list[float] = net(images).double().softmax(1)[:, target].tolist()
    return scores


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def make_module(net: Net) -> nn.Module:
    """The net as a module on normalised images, for other libraries."""
    return nn.Sequential(*list(net.features)[1:], *net.classify).eval()


# --- the settings top, epsilon and relative --------------------------------------------------------------------------


def test_top_limits_the_drop_to_the_highest_pixels() -> None:
    """The map shows .4 + .15 + .05 + 0 = .6 of the image; its highest half .4 + .15 = .55, its highest quarter .4."""
    map_ = torch.tensor([[1.0, 0.5, 0.25, 0.0]])
    for top, drop in ((1.0, 0.4), (0.75, 0.4), (0.5, 0.45), (0.25, 0.6)):
        score = score_map(FakeNet(brightness), FOUR, map_, f"average_drop[fill=black,top={top}]")
        assert score == pytest.approx(drop, abs=1e-6), top


def test_increase_and_gain_of_the_highest_half() -> None:
    """The score of .5 becomes .7 - .2 * .8 = .54 with the whole map, and .7 with its highest half."""
    image, map_ = grey([0.7, 0.2]), torch.tensor([[1.0, 0.8]])
    for top, gain in ((1.0, 0.08), (0.5, 0.4)):
        assert score_map(
            FakeNet(difference_of_pixels), image, map_, f"average_gain[fill=black,top={top}]"
        ) == pytest.approx(gain, abs=1e-6)
    uniform = torch.ones(1, 2)
    assert score_map(FakeNet(difference_of_pixels), image, uniform, "average_increase[fill=black]") == 0.0
    assert score_map(FakeNet(difference_of_pixels), image, uniform, "average_increase[fill=black,top=0.5]") == 1.0


def test_ties_are_kept_in_reading_order() -> None:
    score = score_map(FakeNet(brightness), FOUR, torch.ones(1, 4), "average_drop[fill=black,top=0.5]")
    assert score == pytest.approx(0.3, abs=1e-6)


def test_epsilon_is_added_to_the_denominator() -> None:
    map_ = torch.tensor([[1.0, 0.5, 0.25, 0.0]])
    assert score_map(FakeNet(brightness), FOUR, map_, "average_drop[fill=black,epsilon=0.25]") == pytest.approx(
        0.32, abs=1e-6
    )
    image, map_ = grey([0.7, 0.2]), torch.tensor([[1.0, 0.0]])
    assert score_map(
        FakeNet(difference_of_pixels), image, map_, "average_gain[fill=black,epsilon=0.3]"
    ) == pytest.approx(0.25, abs=1e-6)


def test_the_absolute_drop_is_not_divided() -> None:
    net = FakeNet(lambda images: brightness(images) / 2)
    map_ = torch.tensor([[1.0, 0.5, 0.25, 0.0]])
    assert score_map(net, FOUR, map_, "average_drop[fill=black]") == pytest.approx(0.4, abs=1e-6)
    assert score_map(net, FOUR, map_, "average_drop[fill=black,relative=false]") == pytest.approx(0.2, abs=1e-6)
    assert (
        score_map(
            FakeNet(difference_of_pixels), grey([0.7, 0.2]), map_[:, 0::3], "average_drop[fill=black,relative=false]"
        )
        == 0.0
    )


def test_a_denominator_of_0_gives_the_score_0() -> None:
    """With logits the denominators Y and 1 - Y may be 0 although the masked image scores differently."""
    net = FakeNet(lambda images: brightness(images) - 1)
    map_ = torch.tensor([[1.0, 0.5, 0.25, 0.0]])
    assert score_map(net, grey([0.5, 0.25, 0.125, 0.125]), map_, "average_drop[fill=black]") == 0.0
    assert (
        score_map(net, grey([0.5, 0.25, 0.125, 0.125]), map_, "average_drop_in_deletion[fill=black,signed=true]") == 0.0
    )
    assert (
        score_map(
            FakeNet(difference_of_pixels), grey([1.25, 0.25]), torch.tensor([[1.0, 0.0]]), "average_gain[fill=black]"
        )
        == 0.0
    )


def naive_weighted(image: Tensor, map_: Tensor, base: Tensor, count: int) -> Tensor:
    """The image masked by the map, of which only the `count` highest pixels are not 0, computed pixel by pixel."""
    order = sorted(range(map_.numel()), key=lambda pixel: -float(map_.flatten()[pixel]))
    masked = base.clone()
    for pixel in order[:count]:
        y, x = divmod(pixel, map_.shape[1])
        masked[:, y, x] = map_[y, x] * image[:, y, x] + (1 - map_[y, x]) * base[:, y, x]
    return masked


@pytest.mark.parametrize(("top", "count"), [(1.0, 256), (0.5, 128), (0.15, 38), (0.1, 26)])
@pytest.mark.parametrize("fill", ["mean", "black"])
def test_drop_increase_and_gain_equal_a_naive_loop(top: float, count: int, fill: Fill, pooled: Net) -> None:
    image, maps = random_images(1, 16, seed=4)[0], random_maps(4, 16)
    base = make_fill(image, fill)
    settings = f"fill={fill},top={top}"
    specs = [
        f"average_drop[{settings},epsilon=0.01]",
        f"average_drop[{settings},relative=false]",
        f"average_gain[{settings},epsilon=0.01]",
        f"average_increase[{settings}]",
    ]
    seen = set()
    for target in (0, 3, 5, 8):
        rows = scores_of(pooled, image, target, maps, (), [find(METRIC, spec) for spec in specs])
        for map_, row in zip(maps, rows, strict=True):
            masked = naive_weighted(image, map_, base, count)
            y, o = probabilities(pooled, torch.stack([image, masked]), target)
            drop, gain = max(0.0, y - o), max(0.0, o - y)
            expected = [drop / (y + 0.01), drop, gain / (1 - y + 0.01), float(y < o)]
            assert row == pytest.approx(expected, abs=1e-5)
            seen |= {row[0], row[3]}
    assert {0.0, 1.0} <= seen and len(seen) > 4


# --- average drop in deletion ----------------------------------------------------------------------------------------


def test_drop_in_deletion_by_hand() -> None:
    """The map removes .4 and half of .3, so .55 of 1 is lost."""
    map_ = torch.tensor([[1.0, 0.5, 0.0, 0.0]])
    assert score_map(FakeNet(brightness), FOUR, map_, "average_drop_in_deletion[fill=black]") == pytest.approx(
        0.55, abs=1e-6
    )


def test_drop_in_deletion_of_a_rising_score() -> None:
    """Without the opposing pixel the score rises from .5 to .7, which is a drop of -.4."""
    image, map_ = grey([0.7, 0.2]), torch.tensor([[0.0, 1.0]])
    assert score_map(FakeNet(difference_of_pixels), image, map_, "average_drop_in_deletion[fill=black]") == 0.0
    signed = score_map(FakeNet(difference_of_pixels), image, map_, "average_drop_in_deletion[fill=black,signed=true]")
    assert signed == pytest.approx(-0.4, abs=1e-6)


def test_drop_in_deletion_is_1_for_a_perfect_map_and_0_for_a_wrong_or_constant_one() -> None:
    net = FakeNet(lambda images: images[:, 0, 0, 1])
    right, wrong = torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0, 1.0]])
    for map_, expected in ((right, 1.0), (wrong, 0.0), (torch.zeros(1, 4), 0.0)):
        assert score_map(net, FOUR, map_, "average_drop_in_deletion[fill=black]") == pytest.approx(expected)


@pytest.mark.parametrize("fill", ["mean", "blur"])
def test_drop_in_deletion_equals_a_naive_loop(fill: Fill, pooled: Net) -> None:
    image, maps = random_images(1, 16, seed=4)[0], random_maps(4, 16)
    base = make_fill(image, fill)
    specs = [f"average_drop_in_deletion[fill={fill},signed={signed}]" for signed in (False, True)]
    signs = set()
    for target in (0, 3, 5, 8):
        rows = scores_of(pooled, image, target, maps, (), [find(METRIC, spec) for spec in specs])
        for map_, row in zip(maps, rows, strict=True):
            y, d = probabilities(pooled, torch.stack([image, naive_weighted(image, 1 - map_, base, 256)]), target)
            assert row == pytest.approx([max(0.0, y - d) / y, (y - d) / y], abs=1e-5)
            signs.add(y > d)
    assert signs == {True, False}


# --- other libraries -------------------------------------------------------------------------------------------------


def test_drops_equal_saliency_maps_metrics(pooled: Net) -> None:
    """Gomez's library gets one image at a time, because it stretches a batch as a whole and resizes by a bicubic filter.

    Its black is the mean colour, because it gets normalised images.
    """
    library = pytest.importorskip(
        "saliency_maps_metrics.single_step_metrics", reason="the library saliency-maps-metrics is not installed"
    )
    images, maps = random_images(4, 16, seed=4), random_maps(4, 16)
    our_scores, library_scores = [], []
    module_ = nn.Sequential(make_module(pooled), nn.Softmax(1))
    names = ("average_drop", "average_increase", "average_drop_in_deletion[signed=true]")
    for image, map_, target in zip(images, maps, (0, 3, 5, 8), strict=True):
        our_scores.append(scores_of(pooled, image, target, map_[None], (), [find(METRIC, name) for name in names])[0])
        arguments = (module_, normalised(image[None]), map_[None, None], torch.tensor([target]))
        result = library.IIC_AD("black")(*arguments) | library.ADD("black")(*arguments)
        library_scores.append([float(result[name]) for name in ("ad", "iic", "add")])
    np.testing.assert_allclose(our_scores, library_scores, atol=1e-4)
    assert min(row[2] for row in library_scores) < 0 < max(row[0] for row in library_scores)


class Extractor:
    """Replaces an extractor of torchcam and returns our map."""

    def __init__(self, model: nn.Module, map_: Tensor) -> None:
        self.model, self.maps = model, [map_[None]]

    def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
        return self.maps

    def fuse_cams(self, maps: list[Tensor]) -> Tensor:
        return maps[0]

    def _hooks_off(self) -> Any:
        return nullcontext()


class FaintNet(nn.Module):
    """A net with a class score near 1e-7 that rises with the image's brightness; it also implements Scorer."""

    def forward(self, images: Tensor) -> Tensor:
        first = images.mean((1, 2, 3)) - 16
        return torch.stack([first, torch.zeros_like(first)], 1)

    def scores(self, stream: Stream) -> Tensor:
        scores: Tensor = self(normalised(stream.make(0, stream.count))).double().softmax(1)
        return scores


def test_drop_with_epsilon_equals_torchcams() -> None:
    """The class score is so small that epsilon matters."""
    library = pytest.importorskip("torchcam.metrics", reason="the library of the extra `references` is not installed")
    image, map_ = (0.6 + 0.4 * random_images(1, 16))[0], random_maps(1, 16)[0]
    metric = library.ClassificationMetric(Extractor(FaintNet(), map_), partial(torch.softmax, dim=-1))
    metric.update(normalised(image[None]), [0])
    unguarded, guarded = (
        score_map(FaintNet(), image, map_, f"average_drop[epsilon={epsilon}]") for epsilon in (0.0, 1e-7)
    )
    assert guarded == pytest.approx(metric.summary()["avg_drop"], abs=1e-4)
    assert unguarded - guarded > 0.01


def test_the_absolute_drop_equals_pytorch_grad_cams(pooled: Net) -> None:
    library = pytest.importorskip(
        "pytorch_grad_cam.metrics.cam_mult_image", reason="the library of the extra `references` is not installed"
    )
    images, maps = random_images(4, 16, seed=4), random_maps(4, 16)
    targets = (0, 3, 5, 8)
    requests = [lambda logits, target=target: logits.softmax(-1)[target] for target in targets]
    library_scores = library.DropInConfidence()(normalised(images), maps.numpy(), requests, make_module(pooled))
    our_scores = [
        score_map(pooled, image, map_, "average_drop[relative=false]", target=target)
        for image, map_, target in zip(images, maps, targets, strict=True)
    ]
    np.testing.assert_allclose(our_scores, library_scores, atol=1e-4)
    assert max(our_scores) > 0.001


# --- coherency and ADCC ----------------------------------------------------------------------------------------------


def rerun_with_maps(*maps: Tensor) -> tuple[Rerun, list[Tensor]]:
    """A method that returns these maps one after the other, and the list of images that it gets."""
    inputs: list[Tensor] = []

    def explain(images: Tensor) -> Any:
        inputs.append(images)
        return maps[len(inputs) - 1][None].numpy()

    return Rerun(explain, lambda *_: maps[0].numpy()), inputs


def nan_like(like: Tensor) -> Tensor:
    return torch.full_like(like, float("nan"))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (RAMP, 1.0),
        (RAMP.flip(1), 0.0),
        (RAMP**0 * torch.tensor([[0.0, 1.0, 0.0, 1.0]]), (1 + 0.2**0.5) / 2),
        (torch.zeros(1, 4), 0.0),
        (nan_like(RAMP), 0.0),
    ],
)
def test_coherency_by_hand(seen: Tensor, expected: float) -> None:
    """For 0 1/3 2/3 1 and 0 1 0 1, r = (1/3) / sqrt(5/9) = sqrt(1/5). If r is undefined, the value is 0, not (1 + 0) / 2."""
    method, _ = rerun_with_maps(seen)
    assert score_map(FakeNet(brightness), FOUR, RAMP, "coherency", method) == pytest.approx(expected, abs=1e-6)


def test_coherency_of_a_constant_map_is_0() -> None:
    method, _ = rerun_with_maps(RAMP)
    assert score_map(FakeNet(brightness), FOUR, torch.zeros(1, 4), "coherency", method) == 0.0


@pytest.mark.parametrize("fill", ["mean", "black", "blur"])
@pytest.mark.parametrize("spec", ["coherency", "adcc"])
def test_the_method_is_rerun_once_on_the_image_masked_by_the_map(fill: Fill, spec: str) -> None:
    image, map_ = random_images(1, 16)[0], random_maps(1, 16)[0]
    method, inputs = rerun_with_maps(map_)
    score_map(FakeNet(lambda images: images.mean((1, 2, 3))), image, map_, f"{spec}[fill={fill}]", method)
    (images,) = inputs
    expected = map_ * image + (1 - map_) * make_fill(image, fill)
    torch.testing.assert_close(images, expected[None], atol=1e-6, rtol=0)


def rerun_grad_cam(net: Net, image: Tensor, target: int) -> Rerun:
    size = (image.shape[1], image.shape[2])
    runner = MethodRunner(find(METHOD, "grad_cam"), net, lambda maps: stretch(fit(maps, size)))
    return prepare_rerun(runner, image, target, seed=0)


def test_coherency_and_adcc_equal_a_naive_loop(pooled: Net) -> None:
    """Grad-CAM of an image, and of the image masked by it; every sum by hand; complexity and drop as their own metrics."""
    images = random_images(3, 32, seed=2)
    rows = []
    for image, target in zip(images, (1, 4, 7), strict=True):
        chosen = torch.tensor([target])
        map_ = stretch(fit(grad_cam.explain(pooled, image[None], chosen), (32, 32)))[0]
        masked = naive_weighted(image, map_, make_fill(image, "mean"), map_.numel())
        seen = stretch(fit(grad_cam.explain(pooled, masked[None], chosen), (32, 32)))[0]
        coherency = (1 + correlation(map_.flatten().tolist(), seen.flatten().tolist())) / 2
        complexity = sum(map_.flatten().tolist()) / map_.numel()
        y, o = probabilities(pooled, torch.stack([image, masked]), target)
        drop = max(0.0, y - o) / y
        specs = [find(METRIC, name) for name in ("coherency", "complexity", "adcc")]
        row = scores_of(pooled, image, target, map_[None], (), specs, rerun_grad_cam(pooled, image, target))[0]
        adcc = 3 / (1 / coherency + 1 / (1 - complexity) + 1 / (1 - drop))
        assert row == pytest.approx([coherency, complexity, adcc], abs=1e-4)
        rows.append(row)
    assert len({round(row[0], 3) for row in rows}) > 1


class FixedMap:
    """Replaces a method of pytorch-grad-cam and returns our map."""

    def __init__(self, map_: Tensor) -> None:
        self.maps = map_[None].numpy()

    def __call__(self, **_: Any) -> Any:
        return self.maps


def test_coherency_and_complexity_equal_pytorch_grad_cams() -> None:
    """The library adds 1e-8 to the deviations, and gives 0.5 for a constant map, where this suite and the authors give 0."""
    library = pytest.importorskip(
        "pytorch_grad_cam.metrics.arcc",
        reason="the library of the extra `references`, or its version, is not installed",
    )
    image = random_images(1, 16)[0]
    maps = [*random_maps(2, 16).sqrt(), torch.zeros(16, 16)]
    seen = [*random_maps(2, 16, seed=3), random_maps(1, 16)[0]]
    our_scores, library_scores = [], []
    for map_, second in zip(maps, seen, strict=True):
        specs = [find(METRIC, name) for name in ("coherency", "complexity")]
        our_scores.append(
            scores_of(FakeNet(brightness), image, 0, map_[None], (), specs, rerun_with_maps(second)[0])[0]
        )
        values = map_[None].numpy()
        coherency = library.Coherency()(normalised(image[None]), values, [None], None, FixedMap(second))
        library_scores.append([float(coherency[0]), float(library.Complexity()(values)[0])])
    np.testing.assert_allclose(our_scores[:2], library_scores[:2], atol=1e-4)
    assert (our_scores[2], library_scores[2]) == ([0.0, 0.0], [0.5, 0.0])


def test_adcc_by_hand() -> None:
    """Coherency is (1 + sqrt(1/5)) / 2, complexity 1/2, and the score falls from 1 to .3 / 3 + .4 / 3 + .1 = 1/3."""
    method, _ = rerun_with_maps(torch.tensor([[0.0, 1.0, 0.0, 1.0]]))
    expected = harmonic_mean([(1 + 0.2**0.5) / 2, 1 / 2, 1 / 3])
    assert score_map(FakeNet(brightness), FOUR, RAMP, "adcc[fill=black]", method) == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(0.47008, abs=1e-5)


def test_adcc_is_near_1_for_a_perfect_map() -> None:
    image, map_ = torch.full((3, 8, 8), 1.0), torch.zeros(8, 8)
    map_[5, 2] = 1
    net = FakeNet(lambda images: images[:, 0, 5, 2])
    score = score_map(net, image, map_, "adcc[fill=black]", rerun_with_maps(map_)[0])
    assert score == pytest.approx(harmonic_mean([1, 63 / 64, 1]))


@pytest.mark.parametrize(
    ("map_", "seen", "score"),
    [
        (torch.zeros(1, 4), RAMP, brightness),  # a constant map
        (RAMP, RAMP.flip(1), brightness),  # no coherency
        (RAMP, RAMP, lambda images: images[:, 0, 0, 0]),  # all of the score is lost
        (RAMP, RAMP, lambda images: brightness(images) - 0.5),  # the score becomes negative, as only logits can
    ],
)
def test_adcc_is_0_if_one_of_its_three_terms_is_0(map_: Tensor, seen: Tensor, score: Any) -> None:
    assert score_map(FakeNet(score), FOUR, map_, "adcc[fill=black]", rerun_with_maps(seen)[0]) == pytest.approx(
        0, abs=1e-12
    )


def test_a_rising_score_counts_as_no_drop_in_adcc() -> None:
    image, map_ = grey([0.7, 0.2, 0.0, 0.0]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    score = score_map(FakeNet(difference_of_pixels), image, map_, "adcc[fill=black]", rerun_with_maps(map_)[0])
    assert score == pytest.approx(harmonic_mean([1, 3 / 4, 1]))


@pytest.mark.parametrize("spec", ["coherency", "adcc"])
def test_coherency_and_adcc_of_a_map_without_its_method_are_not_applicable(spec: str) -> None:
    score: Score = score_map(FakeNet(brightness), FOUR, RAMP, spec)
    assert isinstance(score, NotApplicable) and "only its map" in str(score)


def test_drop_increase_gain_and_adcc_share_two_images() -> None:
    """A user's metric that needs the image masked by the map shares it too."""

    def score(_: Case) -> Asking[float]:
        return sum((yield [Masked("mean")]))

    net: Any = FakeNet(lambda images: images.mean((1, 2, 3)))
    names = ("average_drop", "average_increase", "average_gain", "adcc", "coherency", "complexity")
    metrics = [*(find(METRIC, name) for name in names), Plugin("own", "own", ModuleType("own"), score)]
    scores_of(net, random_images(1, 8)[0], 0, random_maps(1, 8), (), metrics, rerun_with_maps(*random_maps(2, 8))[0])
    assert len(net.images) == 2
