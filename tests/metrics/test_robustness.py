"""Metrics that ask the method again or foretell what is lost: by hand, and against loops written from the papers."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from cambench.bench.config.protocol import find as protocol
from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METHOD, METRIC, find
from cambench.bench.nets.net import Net
from cambench.bench.scoring.case import Again, Curve
from cambench.bench.scoring.postprocess import bring
from cambench.bench.scoring.rerun import again, randomised
from cambench.tests.support.nets import FakeNet, random_images, random_maps, scores_of, tiny_vgg


def one(net: Any, image: Tensor, map_: Tensor, spec: str, method: Again | None = None) -> Any:
    return scores_of(net, image, 0, map_[None], (), [find(METRIC, spec)], method)[0][0]


def half(images: Tensor) -> Tensor:
    return images.mean((1, 2, 3))


def explaining(explain: Any) -> Again:
    return Again(lambda images: explain(images).numpy(), lambda _share, _seed: np.zeros((8, 8), np.float32))


# --- max-sensitivity -----------------------------------------------------------------------------------------------------


def test_a_method_that_does_not_look_is_not_sensitive() -> None:
    map_ = random_maps(1, 8)[0]
    steady = explaining(lambda images: map_.expand(len(images), 8, 8))
    assert one(FakeNet(half), random_images(1, 8)[0], map_, "max_sensitivity", steady) == 0


def test_sensitivity_of_a_map_of_the_image_is_the_noise_over_its_norm() -> None:
    """The map is the red plane: it moves by just the noise, whose largest norm over the draws is recomputed here."""
    image, seen = random_images(1, 8)[0], []

    def red(images: Tensor) -> Tensor:
        seen.append(images)
        return images[:, 0]

    found = one(FakeNet(half), image, image[0], "max_sensitivity[radius=0.1,samples=7]", explaining(red))
    (moved,) = seen
    noise = moved - image
    assert moved.shape == (7, 3, 8, 8) and 0.08 < float(noise.abs().max()) <= 0.1
    expected = max(float(one.norm()) for one in noise[:, 0]) / float(image[0].norm())
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_constant_map_is_steady_or_wholly_changed() -> None:
    image, flat = random_images(1, 8)[0], torch.zeros(8, 8)
    assert one(FakeNet(half), image, flat, "max_sensitivity", explaining(lambda x: torch.zeros(len(x), 8, 8))) == 0
    assert one(FakeNet(half), image, flat, "max_sensitivity", explaining(lambda x: x[:, 0])) == 1


# --- infidelity ----------------------------------------------------------------------------------------------------------


def test_a_linear_nets_own_contributions_foretell_every_loss() -> None:
    """On a linear net the score lost without a square is the sum in it: of any multiple of it the infidelity is 0."""
    image, net = random_images(1, 28)[0], FakeNet(half)
    own = image.mean(0)
    assert one(net, image, own, "infidelity[substrate=black]") == pytest.approx(0, abs=1e-9)
    assert one(net, image, own / 3, "infidelity[substrate=black]") == pytest.approx(0, abs=1e-9)
    assert one(net, image, random_maps(1, 28)[0], "infidelity[substrate=black]") > 1e-9


@pytest.mark.parametrize("kind", ["square", "gaussian"])
def test_infidelity_is_the_authors_formula(kind: str) -> None:
    """s and d are remade from the images that the net was shown."""
    image, map_ = random_images(1, 28)[0], random_maps(1, 28)[0]
    net = FakeNet(lambda images: half(images) ** 2)
    found = one(net, image, map_, f"infidelity[kind={kind},samples=30,substrate=black]")
    s, d = [], []
    for seen in net.images[1:]:
        taken = image - seen
        gone = (taken.abs().sum(0) > 0).float() if kind == "square" else taken.sum(0)
        s.append(float((gone * map_).double().sum()))
        d.append(float(half(image[None]) ** 2 - half(seen[None]) ** 2))
    beta = np.mean(np.multiply(s, d)) / np.mean(np.square(s))
    assert len(s) == 30
    assert found == pytest.approx(float(np.mean((beta * np.array(s) - d) ** 2)), rel=1e-3, abs=1e-10)


def test_a_map_of_nothing_foretells_that_nothing_is_lost() -> None:
    image, net = random_images(1, 28)[0], FakeNet(half)
    found = one(net, image, torch.zeros(28, 28), "infidelity[substrate=black]")
    lost = [float(half(image[None]) - half(seen[None])) for seen in net.images[1:]]
    assert found == pytest.approx(float(np.mean(np.square(lost))), rel=1e-4)


def test_infidelity_is_captums_normalised() -> None:
    captum = pytest.importorskip("captum.metrics", reason="captum, of the extra `references`, is not installed")
    image, map_ = random_images(1, 28)[0], random_maps(1, 28)[0]
    net = FakeNet(lambda images: half(images) ** 2)
    found = one(net, image, map_, "infidelity[kind=gaussian,samples=20]")
    noise = iter([image - seen for seen in net.images[1:]])

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        drawn = torch.stack([next(noise) for _ in inputs])
        return drawn, inputs - drawn

    theirs = captum.infidelity(
        lambda images: half(images) ** 2,
        perturb,
        image[None],
        map_.expand(1, 3, 28, 28),
        n_perturb_samples=20,
        normalize=True,
    )
    assert found == pytest.approx(float(theirs), rel=1e-3)


# --- randomisation -------------------------------------------------------------------------------------------------------


def _asked(method: str, net: Net, image: Tensor) -> tuple[Again, Tensor]:
    size = (image.shape[1], image.shape[2])
    found = again(find(METHOD, method), net, image, 3, lambda maps: bring(maps, size, protocol("default")))
    return found, torch.from_numpy(found.explain(image[None])[0])


def test_likeness_is_spearmans_of_each_stage_and_the_score_their_mean() -> None:
    net, image = tiny_vgg(), random_images(1)[0]
    method, map_ = _asked("grad_cam", net, image)
    found = one(net, image, map_, "randomisation[stages=2]", method)
    assert isinstance(found, Curve) and found.shares == [0, 0.5, 1] and len(found.pictures) == 3
    likenesses = [float(spearmanr(map_.flatten(), other.flatten()).statistic) for other in found.pictures]
    assert likenesses[0] == pytest.approx(1)
    assert found.scores == pytest.approx(likenesses, abs=1e-6)
    assert found.area == pytest.approx(float(np.mean(likenesses[1:])), abs=1e-6)
    assert abs(found.area) < 0.9


def test_a_control_does_not_look_at_the_weights_and_fails() -> None:
    net, image = tiny_vgg(), random_images(1)[0]
    method, map_ = _asked("centre", net, image)
    for spec in ("randomisation", "randomisation[similarity=ssim]"):
        assert one(net, image, map_, spec, method).area == pytest.approx(1)


def test_layers_are_made_random_from_the_top_and_stay_so() -> None:
    net = tiny_vgg()
    before = [weight.clone() for module in net.cut.line.values() for weight in module.parameters()]

    def changed(share: float) -> list[bool]:
        other = randomised(net, share, 0)
        after = [weight for module in other.cut.line.values() for weight in module.parameters()]
        return [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]

    count = len(before)
    assert changed(0.5) == [False] * (count // 2) + [True] * (count - count // 2)
    assert changed(0.25) == [False] * (count - 2) + [True] * 2
    assert all(changed(1.0))
    assert randomised(net, 0.5, 0) is randomised(net, 0.5, 0)
    assert all(
        torch.equal(weight, old)
        for weight, old in zip((w for m in net.cut.line.values() for w in m.parameters()), before, strict=True)
    )


def test_the_class_maps_of_a_randomised_net_are_its_own(nets: dict[str, Net]) -> None:
    """CAM reads the weights of the class: they must be those that were made random."""
    net, image = nets["tiny_pooled"], random_images(1)
    other = randomised(net, 0.25, 0)
    activations = other.features(image)
    assert torch.equal(activations, net.features(image))
    maps = other.class_maps(activations)
    pooled = maps.mean((2, 3)) - maps.mean((2, 3))[:, :1]
    logits = other(image) - other(image)[:, :1]
    bias: Any = list(other.cut.line.values())[-1].bias
    torch.testing.assert_close(pooled + bias - bias[0], logits, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(maps, net.class_maps(activations))


def test_metrics_that_need_the_method_say_so() -> None:
    for spec in ("max_sensitivity", "randomisation"):
        found = one(FakeNet(half), random_images(1, 8)[0], random_maps(1, 8)[0], spec)
        assert isinstance(found, NotApplicable) and "method itself" in str(found)
