"""Sensitivity, infidelity and randomisation, compared with results by hand and with loops written from the papers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, spectral_norm

from cambench import load_net
from cambench.bench.config.protocol import find_protocol as protocol
from cambench.bench.core.errors import NotApplicable
from cambench.bench.core.plugins import METHOD, METRIC, find
from cambench.bench.nets.net import Net
from cambench.bench.scoring.case import Curve, Rerun
from cambench.bench.scoring.postprocess import postprocess
from cambench.bench.scoring.rerun import MethodRunner, prepare_rerun, randomise
from cambench.tests.support.nets import FakeNet, random_images, random_maps, scores_of, tiny_vgg


def score(net: Any, image: Tensor, map_: Tensor, spec: str, method: Rerun | None = None) -> Any:
    return scores_of(net, image, 0, map_[None], (), [find(METRIC, spec)], method)[0][0]


def mean_brightness(images: Tensor) -> Tensor:
    return images.mean((1, 2, 3))


def rerun_with(explain: Any) -> Rerun:
    return Rerun(lambda images: explain(images).numpy(), lambda _share, _seed: np.zeros((8, 8), np.float32))


# --- max-sensitivity -----------------------------------------------------------------------------------------------------


def test_sensitivity_of_a_constant_method_is_0() -> None:
    map_ = random_maps(1, 8)[0]
    steady = rerun_with(lambda images: map_.expand(len(images), 8, 8))
    assert score(FakeNet(mean_brightness), random_images(1, 8)[0], map_, "max_sensitivity", steady) == 0


def test_sensitivity_of_the_image_itself_is_the_relative_norm_of_the_noise() -> None:
    """The map is the red channel, so it changes by the noise, whose largest norm over the draws is recomputed here."""
    image, seen = random_images(1, 8)[0], []

    def red(images: Tensor) -> Tensor:
        seen.append(images)
        return images[:, 0]

    found = score(FakeNet(mean_brightness), image, image[0], "max_sensitivity[radius=0.1,samples=7]", rerun_with(red))
    (moved,) = seen
    noise = moved - image
    assert moved.shape == (7, 3, 8, 8) and 0.08 < float(noise.abs().max()) <= 0.1
    expected = max(float(plane.norm()) for plane in noise[:, 0]) / float(image[0].norm())
    assert found == pytest.approx(expected, rel=1e-5)


def test_sensitivity_of_a_constant_map_is_0_or_1() -> None:
    image, flat = random_images(1, 8)[0], torch.zeros(8, 8)
    assert (
        score(FakeNet(mean_brightness), image, flat, "max_sensitivity", rerun_with(lambda x: torch.zeros(len(x), 8, 8)))
        == 0
    )
    assert score(FakeNet(mean_brightness), image, flat, "max_sensitivity", rerun_with(lambda x: x[:, 0])) == 1


# --- infidelity ----------------------------------------------------------------------------------------------------------


def test_infidelity_of_a_linear_nets_contributions_is_0() -> None:
    """A linear net loses the sum over a removed square, so the contributions and their multiples have infidelity 0."""
    image, net = random_images(1, 28)[0], FakeNet(mean_brightness)
    contributions = image.mean(0)
    assert score(net, image, contributions, "infidelity[fill=black]") == pytest.approx(0, abs=1e-9)
    assert score(net, image, contributions / 3, "infidelity[fill=black]") == pytest.approx(0, abs=1e-9)
    assert score(net, image, random_maps(1, 28)[0], "infidelity[fill=black]") > 1e-9


@pytest.mark.parametrize("kind", ["square", "gaussian"])
def test_infidelity_follows_the_authors_formula(kind: str) -> None:
    """s and d are recomputed from the images that the net scored."""
    image, map_ = random_images(1, 28)[0], random_maps(1, 28)[0]
    net = FakeNet(lambda images: mean_brightness(images) ** 2)
    infidelity = score(net, image, map_, f"infidelity[kind={kind},samples=30,fill=black]")
    s, d = [], []
    for perturbed in net.images[1:]:
        removed = image - perturbed
        amount = (removed.abs().sum(0) > 0).float() if kind == "square" else removed.sum(0)
        s.append(float((amount * map_).double().sum()))
        d.append(float(mean_brightness(image[None]) ** 2 - mean_brightness(perturbed[None]) ** 2))
    beta = np.mean(np.multiply(s, d)) / np.mean(np.square(s))
    assert len(s) == 30
    assert infidelity == pytest.approx(float(np.mean((beta * np.array(s) - d) ** 2)), rel=1e-3, abs=1e-10)


def test_infidelity_of_an_empty_map_is_the_mean_squared_drop() -> None:
    image, net = random_images(1, 28)[0], FakeNet(mean_brightness)
    infidelity = score(net, image, torch.zeros(28, 28), "infidelity[fill=black]")
    drops = [float(mean_brightness(image[None]) - mean_brightness(perturbed[None])) for perturbed in net.images[1:]]
    assert infidelity == pytest.approx(float(np.mean(np.square(drops))), rel=1e-4)


def test_infidelity_equals_captums_normalised_infidelity() -> None:
    captum = pytest.importorskip("captum.metrics", reason="captum, of the extra `references`, is not installed")
    image, map_ = random_images(1, 28)[0], random_maps(1, 28)[0]
    net = FakeNet(lambda images: mean_brightness(images) ** 2)
    infidelity = score(net, image, map_, "infidelity[kind=gaussian,samples=20]")
    noise = iter([image - perturbed for perturbed in net.images[1:]])

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        sample = torch.stack([next(noise) for _ in inputs])
        return sample, inputs - sample

    expected = captum.infidelity(
        lambda images: mean_brightness(images) ** 2,
        perturb,
        image[None],
        map_.expand(1, 3, 28, 28),
        n_perturb_samples=20,
        normalize=True,
    )
    assert infidelity == pytest.approx(float(expected), rel=1e-3)


# --- randomisation -------------------------------------------------------------------------------------------------------


def rerun_and_map(method: str, net: Net, image: Tensor) -> tuple[Rerun, Tensor]:
    size = (image.shape[1], image.shape[2])
    runner = MethodRunner(find(METHOD, method), net, lambda maps: postprocess(maps, size, protocol("default")))
    rerun = prepare_rerun(runner, image, 3, seed=0)
    return rerun, torch.from_numpy(rerun.explain(image[None])[0])


def test_randomisation_is_the_mean_spearman_correlation_of_the_stages() -> None:
    net, image = tiny_vgg(), random_images(1)[0]
    method, map_ = rerun_and_map("grad_cam", net, image)
    curve = score(net, image, map_, "randomisation[stages=2]", method)
    assert isinstance(curve, Curve) and curve.shares == [0, 0.5, 1] and len(curve.pictures) == 3
    similarities = [float(spearmanr(map_.flatten(), picture.flatten()).statistic) for picture in curve.pictures]
    assert similarities[0] == pytest.approx(1)
    assert curve.scores == pytest.approx(similarities, abs=1e-6)
    assert curve.area == pytest.approx(float(np.mean(similarities[1:])), abs=1e-6)
    assert abs(curve.area) < 0.9


def test_a_control_is_unchanged_by_randomisation() -> None:
    net, image = tiny_vgg(), random_images(1)[0]
    method, map_ = rerun_and_map("centre", net, image)
    for spec in ("randomisation", "randomisation[similarity=ssim]"):
        assert score(net, image, map_, spec, method).area == pytest.approx(1)


def test_layers_are_randomised_cumulatively_from_the_last() -> None:
    net = tiny_vgg()
    weights = [weight.clone() for module in net.cut.modules.values() for weight in module.parameters()]

    def changed(share: float) -> list[bool]:
        randomised = randomise(net, share, 0)
        new_weights = [weight for module in randomised.cut.modules.values() for weight in module.parameters()]
        return [not torch.equal(old, new) for old, new in zip(weights, new_weights, strict=True)]

    count = len(weights)
    assert changed(0.5) == [False] * (count // 2) + [True] * (count - count // 2)
    assert changed(0.25) == [False] * (count - 2) + [True] * 2
    assert all(changed(1.0))
    assert randomise(net, 0.5, 0) is randomise(net, 0.5, 0)
    assert all(
        torch.equal(weight, old)
        for weight, old in zip((w for m in net.cut.modules.values() for w in m.parameters()), weights, strict=True)
    )


class OwnHead(nn.Module):
    """A head whose weights are the module's own parameter, for which torch knows no initialisation."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 10))

    def forward(self, features: Tensor) -> Tensor:
        return features @ self.weight.T


def keep(module: nn.Module) -> nn.Module:
    return module


@pytest.mark.parametrize(
    "normalise", [keep, parametrizations.weight_norm, parametrizations.spectral_norm, spectral_norm]
)
def test_weights_without_an_initialisation_are_shuffled_from_the_last_one_down(
    normalise: Callable[[nn.Module], nn.Module],
) -> None:
    torch.manual_seed(0)
    layers = [normalise(nn.Conv2d(3, 8, 5, 3)), nn.ReLU(), normalise(nn.Conv2d(8, 10, 3, 2)), nn.ReLU()]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), OwnHead())
    for _ in range(15):
        module(random_images(2, 64))  # in train mode, in which a spectral norm finds the norm
    net = load_net(module, preprocess="none", layer="3", device="cpu", precision="fp32")
    known = dict(net.named_parameters())

    def list_changed(share: float) -> set[str]:
        changed = dict(randomise(net, share, 0).named_parameters())
        return {name for name, weight in known.items() if not torch.equal(weight, changed[name])}

    (head,) = list_changed(0.3)
    assert known[head].shape == (5, 10)
    shuffled = dict(randomise(net, 0.3, 0).named_parameters())[head]
    assert torch.equal(shuffled.flatten().sort().values, known[head].flatten().sort().values)
    assert torch.equal(
        shuffled,
        dict(
            randomise(
                load_net(module, preprocess="none", layer="3", device="cpu", precision="fp32"), 0.3, 0
            ).named_parameters()
        )[head],
    )
    assert len(list_changed(0.6)) == 1 + (len(known) - 1) // 2, "the head and the last convolution"
    assert list_changed(1.0) == set(known)
    activations = [each.features(random_images(2, 64)).std().item() for each in (net, randomise(net, 1.0, 0))]
    assert 0.1 < activations[1] / activations[0] < 10, "they keep their scale"


class Scale(nn.Module):
    """A parametrisation with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.rand(10, 1, 1, 1))

    def forward(self, weight: Tensor) -> Tensor:
        return weight * self.factor


def test_a_parametrised_layer_is_one_layer_with_the_weights_of_its_parametrisation() -> None:
    torch.manual_seed(0)
    last = nn.Conv2d(8, 10, 3, 2)
    parametrize.register_parametrization(last, "weight", Scale())
    module = nn.Sequential(nn.Conv2d(3, 8, 5, 3), nn.ReLU(), last, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = load_net(module, preprocess="none", layer="3", device="cpu", precision="fp32")
    changed = dict(randomise(net, 0.5, 0).named_parameters())
    of_last = {name for name, weight in net.named_parameters() if not torch.equal(weight, changed[name])}
    assert {tuple(changed[name].shape) for name in of_last} == {(10, 1, 1, 1), (10, 8, 3, 3), (10,)}


def test_class_maps_of_a_randomised_net_use_its_random_weights(nets: dict[str, Net]) -> None:
    """CAM reads the weights of the class, which must be the randomised ones."""
    net, image = nets["tiny_pooled"], random_images(1)
    randomised = randomise(net, 0.25, 0)
    activations = randomised.features(image)
    assert torch.equal(activations, net.features(image))
    maps = randomised.class_maps(activations)
    pooled = maps.mean((2, 3)) - maps.mean((2, 3))[:, :1]
    logits = randomised(image) - randomised(image)[:, :1]
    bias: Any = list(randomised.cut.modules.values())[-1].bias
    torch.testing.assert_close(pooled + bias - bias[0], logits, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(maps, net.class_maps(activations))


def test_metrics_that_need_the_method_are_not_applicable_without_it() -> None:
    for spec in ("max_sensitivity", "randomisation"):
        result = score(FakeNet(mean_brightness), random_images(1, 8)[0], random_maps(1, 8)[0], spec)
        assert isinstance(result, NotApplicable) and "method itself" in str(result)
