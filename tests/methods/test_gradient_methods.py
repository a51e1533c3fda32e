"""Methods of gradients and principal components, compared with slow loops written from the papers, and with theory."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import NotApplicable, UsageError
from cambench.bench.core.plugins import METHOD, find
from cambench.bench.nets.cut import Cut
from cambench.bench.nets.net import Net
from cambench.bench.nets.preprocessing import Normalise
from cambench.bench.scoring.postprocess import fit
from cambench.methods import (
    eigen_cam,
    eigen_grad_cam,
    finer_cam,
    grad_cam,
    grad_cam_pp,
    hires_cam,
    layer_cam,
    shapley_cam,
    smooth_grad_cam_pp,
    xgrad_cam,
)
from cambench.methods._components import project_on_first_component
from cambench.tests.support.naive import draw_seed
from cambench.tests.support.nets import close, gradients, random_images

TARGETS = torch.tensor([3, 7])
NETS = ["tiny_vgg", "tiny_pooled", "squeezenet1_1", "small"]
OF_GRADIENTS = (
    "grad_cam",
    "grad_cam_pp",
    "xgrad_cam",
    "hires_cam",
    "layer_cam",
    "eigen_grad_cam",
    "finer_cam",
    "shapley_cam",
    "smooth_grad_cam_pp",
)
SCORES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "logit": lambda y, c: y[c],
    "softmax": lambda y, c: y[c].exp() / y.exp().sum(),
    "log_softmax": lambda y, c: y[c] - y.exp().sum().log(),
    "rest": lambda y, c: 2 * y[c] - y.exp().sum().log(),
}


def make_small_net(*, inplace: bool = False) -> Net:
    """A convolution at the cut, so that activations may be negative, then pooling to 2 x 2 and two linear layers."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        head = (
            nn.LeakyReLU(0.3, inplace),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(24, 12),
            nn.ReLU(inplace),
            nn.Linear(12, 10),
        )
        line = [Normalise(), nn.Conv2d(3, 6, 3, 2, 1), *head]
    return Net("small", Cut({str(n): module for n, module in enumerate(line)}, "1"), tuple("abcdefghij"), "fp32")


@pytest.fixture(scope="session")
def nets(nets: dict[str, Net]) -> dict[str, Net]:
    return nets | {"small": make_small_net()}


def score_of(target: int, of: str = "logit") -> Callable[[Tensor], Tensor]:
    return lambda logits: SCORES[of](logits, target)


def double_head(net: Net) -> Any:
    """A copy of the layers after the cut, in float64."""
    return copy.deepcopy(net.classify).double()


def compute_slopes(head: Any, activations: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradients (k, h', w') of a score of one image's logits (classes,), float64."""
    leaf = activations.double().detach().requires_grad_()
    (slopes,) = torch.autograd.grad(score(head(leaf[None].clone())[0]), leaf)
    return slopes


def compute_pairs(net: Net, images: Tensor, of: str = "logit") -> list[tuple[Tensor, Tensor]]:
    """The activations and gradients (k, h', w') of the targets' scores, image by image, float64."""
    head, pairs = double_head(net), []
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        activations = net.features(image[None])[0].double()
        pairs.append((activations, compute_slopes(head, activations, score_of(target, of))))
    return pairs


def combine(weights: list[Tensor], activations: Tensor) -> Tensor:
    """ReLU(sum_k w_k A_k)"""
    total = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for weight, channel in zip(weights, activations, strict=True):
        total += weight * channel
    return total.clamp(min=0)


def check_close(maps: Tensor, expected: list[Tensor]) -> None:
    close(maps, torch.stack(expected).float())


def test_default_settings_are_those_of_the_papers() -> None:
    logit = {"of": "logit"}
    assert {name: find(METHOD, name).settings for name in (*OF_GRADIENTS, "eigen_cam")} == {
        "grad_cam": logit,
        "grad_cam_pp": logit,
        "xgrad_cam": logit,
        "hires_cam": logit | {"relu": True},
        "layer_cam": logit | {"layers": "", "gamma": 2},
        "eigen_cam": {"centred": False},
        "eigen_grad_cam": logit | {"centred": True},
        "finer_cam": logit | {"gamma": 0.6, "references": 3},
        "shapley_cam": {"of": "rest"},
        "smooth_grad_cam_pp": logit | {"seed": 0, "samples": 8, "sigma": 0.15},
    }


@pytest.mark.parametrize("of", SCORES)
@pytest.mark.parametrize("name", NETS)
def test_grad_cam_of_any_score(name: str, of: Any, nets: dict[str, Net], images: Tensor) -> None:
    expected = [combine([g.mean() for g in slopes], a) for a, slopes in compute_pairs(nets[name], images, of)]
    check_close(grad_cam.explain(nets[name], images, TARGETS, of=of), expected)


def test_grad_cam_explains_the_logit_by_default(nets: dict[str, Net], images: Tensor) -> None:
    default, logit, softmax = (
        find(METHOD, spec)(nets["tiny_vgg"], images, TARGETS)
        for spec in ("grad_cam", "grad_cam[of=logit]", "grad_cam[of=softmax]")
    )
    assert torch.equal(default, logit) and not torch.allclose(default, softmax, rtol=1e-2)
    with pytest.raises(UsageError, match=r"setting 'of': Input should be 'logit', 'softmax'"):
        find(METHOD, "grad_cam[of=logits]")


def alpha_weight(powers: tuple[Tensor, Tensor, Tensor], activations: Tensor) -> Tensor:
    """w_k of Grad-CAM++: sum_ij alpha_ij ReLU(g_ij), alpha_ij = g^2 / (2 g^2 + sum_ab A_ab g^3)."""
    weight, total = 0.0, float(activations.sum())
    for g, g2, g3 in zip(*(power.flatten().tolist() for power in powers), strict=True):
        if g > 0:
            weight += g2 / (2 * g2 + total * g3) * g
    return torch.tensor(weight, dtype=torch.float64)


@pytest.mark.parametrize("name", ["tiny_vgg", "tiny_pooled", "small"])
def test_grad_cam_pp_follows_equation_19(name: str, nets: dict[str, Net], images: Tensor) -> None:
    expected = [
        combine([alpha_weight((g, g**2, g**3), channel) for g, channel in zip(slopes, a, strict=True)], a)
        for a, slopes in compute_pairs(nets[name], images)
    ]
    check_close(grad_cam_pp.explain(nets[name], images, TARGETS), expected)


def test_grad_cam_pp_of_small_gradients_neither_vanishes_nor_overflows(pooled: Net, images: Tensor) -> None:
    """The gradients of a class with a probability near 0 have squares that are 0 in float32."""
    net: Any = copy.deepcopy(pooled)
    net.classify[-1].weight.data *= 1e-25
    maps = grad_cam_pp.explain(net, images, TARGETS)
    expected = layer_cam.explain(net, images, TARGETS)  # alpha = 1/2 at each of the 256 positions
    close(maps / maps.amax(), expected / expected.amax())


@pytest.mark.parametrize("name", NETS)
def test_xgrad_cam_weights_gradients_by_activation_shares(name: str, nets: dict[str, Net], images: Tensor) -> None:
    expected = []
    for a, slopes in compute_pairs(nets[name], images):
        weights = [(g * k).sum() / k.sum() if k.sum() else k.sum() for g, k in zip(slopes, a, strict=True)]
        expected.append(combine(weights, a))
    check_close(xgrad_cam.explain(nets[name], images, TARGETS), expected)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_hires_cam_is_gradient_times_activation(name: str, relu: bool, nets: dict[str, Net], images: Tensor) -> None:
    expected = []
    for a, slopes in compute_pairs(nets[name], images):
        total = torch.zeros(a.shape[1:], dtype=torch.float64)
        for g, channel in zip(slopes, a, strict=True):
            total += g * channel
        expected.append(total.clamp(min=0) if relu else total)
    assert relu or name == "squeezenet1_1" or min(float(map_.min()) for map_ in expected) < 0
    check_close(hires_cam.explain(nets[name], images, TARGETS, relu=relu), expected)


def layer_map(activations: Tensor, slopes: Tensor) -> Tensor:
    total = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for g, channel in zip(slopes, activations, strict=True):
        total += g.clamp(min=0) * channel
    return total.clamp(min=0)


@pytest.mark.parametrize("name", NETS)
def test_layer_cam_weights_activations_by_positive_gradients(name: str, nets: dict[str, Net], images: Tensor) -> None:
    net = nets[name]
    expected = [layer_map(a, slopes) for a, slopes in compute_pairs(net, images)]
    check_close(layer_cam.explain(net, images, TARGETS), expected)
    assert torch.equal(
        layer_cam.explain(net, images, TARGETS, layers=net.layer), layer_cam.explain(net, images, TARGETS)
    )


@pytest.mark.parametrize("layers", ["layer2+layer3+layer4", "layer4+layer2+layer3"])
def test_layer_cam_of_several_layers_is_the_maximum_of_their_scaled_maps(
    layers: str, nets: dict[str, Net], images: Tensor
) -> None:
    net = nets["resnet18"]
    expected = []
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        scaled = []
        for layer in ("layer2", "layer3", "layer4"):
            front, head = net.split_at([layer])
            a = front(image[None])[0]
            map_ = layer_map(a.double(), compute_slopes(copy.deepcopy(head).double(), a, score_of(target)))
            scaled.append(fit(torch.tanh(2 * map_ / map_.max())[None], (8, 8))[0])
        expected.append(torch.stack(scaled).amax(0))
    maps = layer_cam.explain(net, images, TARGETS, layers=layers)
    assert maps.shape == (2, 8, 8)
    check_close(maps, expected)


def test_layer_cams_layers_and_gamma_are_settings(nets: dict[str, Net], images: Tensor) -> None:
    net = nets["resnet18"]
    maps = find(METHOD, "layer_cam[layers=layer3+layer4,gamma=1]")(net, images, TARGETS)
    assert not torch.allclose(maps, layer_cam.explain(net, images, TARGETS, layers="layer3+layer4"))
    assert float(maps.max()) == pytest.approx(float(torch.tensor(1.0).tanh()), rel=0.1)
    with pytest.raises(
        NotApplicable, match="tiny_vgg has no layer 'layer3' to cut at, whose output is a map: there are: 0, 1"
    ):
        layer_cam.explain(nets["tiny_vgg"], images, TARGETS, layers="layer3+layer4")
    with pytest.raises(UsageError, match="setting 'gamma': Input should be greater than 0"):
        find(METHOD, "layer_cam[gamma=0]")


def component(values: Tensor, centred: bool) -> Tensor:
    """The projection on the direction of largest variance, found by power iteration with A'A."""
    matrix = values.flatten(1).T.double()
    matrix = matrix - matrix.mean(0) if centred else matrix
    direction = torch.ones(matrix.shape[1], dtype=torch.float64) + torch.arange(matrix.shape[1]) / 10
    for _ in range(5000):
        direction = matrix.T @ (matrix @ direction)
        direction /= direction.norm()
    return (matrix @ direction * (1 if direction.sum() > 0 else -1)).view(values.shape[1:])


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("name", ["tiny_vgg", "squeezenet1_1", "small"])
def test_eigen_cam_is_the_first_principal_component(
    name: str, centred: bool, nets: dict[str, Net], images: Tensor
) -> None:
    net = nets[name]
    expected = [component(a, centred) for a in net.features(images)]
    assert (centred or name == "small") == (min(float(map_.min()) for map_ in expected) < -1e-6)
    check_close(eigen_cam.explain(net, images, TARGETS, centred=centred), [map_.clamp(min=0) for map_ in expected])


def test_eigen_cam_of_one_pattern_is_the_pattern() -> None:
    pattern = random_images(1, 8)[0, 0]
    strengths = torch.tensor([1.0, 2.0, 2.0])
    projection = project_on_first_component((strengths[:, None, None] * pattern)[None], centred=False)[0]
    close(projection, 3 * pattern)
    close(project_on_first_component((-strengths[:, None, None] * pattern)[None], centred=False)[0], -3 * pattern)


@pytest.mark.parametrize("centred", [True, False])
def test_eigen_grad_cam_is_eigen_cam_of_gradient_times_activation(
    centred: bool, nets: dict[str, Net], images: Tensor
) -> None:
    expected = [component(slopes * a, centred).clamp(min=0) for a, slopes in compute_pairs(nets["tiny_vgg"], images)]
    check_close(eigen_grad_cam.explain(nets["tiny_vgg"], images, TARGETS, centred=centred), expected)


def test_the_sign_of_a_component_is_that_of_the_channel_sum(nets: dict[str, Net], images: Tensor) -> None:
    for a, slopes in compute_pairs(nets["tiny_vgg"], images):
        for centred in (True, False):
            map_, total = project_on_first_component((slopes * a)[None], centred)[0], (slopes * a).sum(0)
            assert float((map_ * (total - centred * total.mean())).sum()) > 0


@pytest.mark.parametrize(("gamma", "references"), [(0.6, 3), (1.0, 1), (0.3, 20)])
@pytest.mark.parametrize("name", ["tiny_vgg", "tiny_pooled"])
def test_finer_cam_is_grad_cam_of_the_difference_from_similar_classes(
    name: str, gamma: float, references: int, nets: dict[str, Net], images: Tensor
) -> None:
    net, expected = nets[name], []
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        a, logits = net.features(image[None])[0], net(image[None])[0]
        neighbours = sorted(
            (index for index in range(10) if index != target),
            key=lambda index: float(abs(logits[index] - logits[target])),
        )
        similar = neighbours[:references]

        def difference(y: Tensor, c: int = target, similar: list[int] = similar) -> Tensor:
            return y[c] - gamma * sum(y[d] for d in similar) / len(similar)

        expected.append(combine([g.mean() for g in compute_slopes(double_head(net), a, difference)], a.double()))
    check_close(finer_cam.explain(net, images, TARGETS, gamma=gamma, references=references), expected)


@pytest.mark.parametrize("of", SCORES)
@pytest.mark.parametrize("name", ["tiny_vgg", "tiny_pooled"])
def test_shapley_cam_subtracts_half_a_hessian_vector_product(
    name: str, of: Any, nets: dict[str, Net], images: Tensor
) -> None:
    """H A = d/dt g(A + t A), by central differences."""
    head, expected, step = double_head(nets[name]), [], 1e-6
    for (a, slopes), target in zip(compute_pairs(nets[name], images, of), TARGETS.tolist(), strict=True):
        further, nearer = (compute_slopes(head, a * (1 + t), score_of(target, of)) for t in (step, -step))
        curvatures = (further - nearer) / (2 * step)
        expected.append(combine([w.mean() for w in slopes - curvatures / 2], a))
    check_close(shapley_cam.explain(nets[name], images, TARGETS, of=of), expected)


def test_shapley_cam_explains_rest_by_default(nets: dict[str, Net], images: Tensor) -> None:
    net = nets["tiny_vgg"]
    maps = shapley_cam.explain(net, images, TARGETS)
    assert torch.equal(maps, shapley_cam.explain(net, images, TARGETS, of="rest"))
    assert not torch.allclose(maps, grad_cam.explain(net, images, TARGETS, of="rest"), rtol=1e-2)


@pytest.mark.parametrize(("name", "of"), [("tiny_vgg", "logit"), ("tiny_vgg", "softmax"), ("small", "logit")])
def test_smooth_grad_cam_pp_averages_the_powers_of_the_gradients_of_noisy_images(
    name: str, of: Any, nets: dict[str, Net], images: Tensor
) -> None:
    net, expected, samples, sigma = nets[name], [], 3, 0.2
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        generator = torch.Generator().manual_seed(draw_seed(image, 5))
        noisy = [image + sigma * noise for noise in torch.randn(samples, 3, 64, 64, generator=generator)]
        slopes = [
            compute_slopes(double_head(net), net.features(noisy_image[None])[0], score_of(target, of))
            for noisy_image in noisy
        ]
        first, second, third = (sum(g**power for g in slopes) / samples for power in (1, 2, 3))
        a = net.features(image[None])[0].double()
        weights = [alpha_weight(powers, channel) for *powers, channel in zip(first, second, third, a, strict=True)]
        expected.append(combine(weights, a))
    maps = smooth_grad_cam_pp.explain(net, images, TARGETS, seed=5, samples=samples, sigma=sigma, of=of)
    check_close(maps, expected)


def test_the_noise_depends_on_the_seed_and_the_image_alone(nets: dict[str, Net], images: Tensor) -> None:
    net, state = nets["tiny_vgg"], torch.get_rng_state()
    maps = smooth_grad_cam_pp.explain(net, images, TARGETS)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(maps, smooth_grad_cam_pp.explain(net, images, TARGETS))
    alone = smooth_grad_cam_pp.explain(net, images[1:], TARGETS[1:])
    torch.testing.assert_close(
        maps[1:], alone, rtol=1e-5, atol=1e-6
    )  # kernels round differently for another batch size
    assert not torch.allclose(maps, smooth_grad_cam_pp.explain(net, images, TARGETS, seed=1), rtol=1e-3)
    assert find(METHOD, "smooth_grad_cam_pp", seed=7).settings["seed"] == 7


# Equalities that hold for all weights.


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_grad_cam_hires_cam_and_xgrad_cam_are_equal_on_pooled_nets(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    expected = grad_cam.explain(nets[name], images, TARGETS)
    for method in (hires_cam, xgrad_cam):
        close(method.explain(nets[name], images, TARGETS), expected)


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_layer_cam_on_pooled_nets_is_grad_cam_of_the_positive_weights(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    activations, slopes = gradients(nets[name], images, TARGETS)
    weights = slopes.mean((2, 3), keepdim=True).relu()
    close(layer_cam.explain(nets[name], images, TARGETS), (weights * activations).sum(1))


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_on_a_linear_head_shapley_cam_of_a_logit_is_grad_cam(name: str, nets: dict[str, Net], images: Tensor) -> None:
    close(shapley_cam.explain(nets[name], images, TARGETS, of="logit"), grad_cam.explain(nets[name], images, TARGETS))


def net_with_layer(head: nn.Module) -> Net:
    """A convolution at the cut, a layer after it, global pooling, one linear layer."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        line = [Normalise(), nn.Conv2d(3, 6, 3, 2, 1), head, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)]
    return Net("headed", Cut({str(n): module for n, module in enumerate(line)}, "1"), tuple("abcdefghij"), "fp32")


def test_shapley_cam_of_a_logit_is_grad_cam_after_a_batch_norm(images: Tensor) -> None:
    """Batch norm is linear, although torch's derivative of it depends on the activations formally."""
    net = net_with_layer(nn.BatchNorm2d(6))
    close(shapley_cam.explain(net, images, TARGETS, of="logit"), grad_cam.explain(net, images, TARGETS))


def test_shapley_cam_is_not_applicable_without_second_derivatives(images: Tensor) -> None:
    with pytest.raises(NotApplicable, match=r"ShapleyCAM needs second derivatives, .*hardsigmoid_backward"):
        shapley_cam.explain(net_with_layer(nn.Hardsigmoid()), images, TARGETS)


@pytest.mark.parametrize("name", NETS)
def test_extended_methods_reduce_to_the_original_at_neutral_settings(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    arguments = (nets[name], images, TARGETS)
    close(finer_cam.explain(*arguments, gamma=0), grad_cam.explain(*arguments))
    close(smooth_grad_cam_pp.explain(*arguments, sigma=0, samples=2), grad_cam_pp.explain(*arguments))


# Effects of the net on methods.


@pytest.mark.parametrize("name", [*OF_GRADIENTS, "eigen_cam"])
def test_an_inplace_relu_after_the_cut_does_not_change_the_map(name: str) -> None:
    images = random_images(2, 16)
    expected, inplace = (
        find(METHOD, name)(make_small_net(inplace=inplace), images, TARGETS) for inplace in (False, True)
    )
    assert float(expected.max()) > 0 and torch.equal(expected, inplace)
    assert find(METHOD, name)(make_small_net(inplace=True), images, TARGETS).isfinite().all()


def test_layer_cam_cuts_before_relus_in_place() -> None:
    images = random_images(2, 16)
    expected, inplace = (
        layer_cam.explain(make_small_net(inplace=inplace), images, TARGETS, layers="0+1") for inplace in (False, True)
    )
    assert expected.shape == (2, 16, 16) and torch.equal(expected, inplace)


@pytest.mark.parametrize("silent", ["scores", "activations", "both", "dead"])
@pytest.mark.parametrize("name", [*OF_GRADIENTS, "eigen_cam"])
def test_maps_of_constant_activations_and_of_zero_gradients_are_finite(name: str, silent: str) -> None:
    net: Any = make_small_net()
    if silent in ("scores", "both"):
        net.classify[-1].weight.data.zero_()
    if silent in ("activations", "both", "dead"):
        net.features[1].weight.data.zero_()
    if silent == "dead":
        net.features[1].bias.data.zero_()
    spec = "layer_cam[layers=0+1]" if name == "layer_cam" else name
    maps = find(METHOD, spec)(net, random_images(2, 16), TARGETS)
    assert maps.shape[1:] in ((8, 8), (16, 16)) and maps.isfinite().all()
    if silent == "dead" or (silent != "activations" and name != "eigen_cam"):
        assert not maps.any()


@pytest.mark.parametrize("method", [grad_cam_pp, smooth_grad_cam_pp])
def test_a_denominator_of_0_gives_the_weight_0(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 g^2 + sum_ab A_ab g^3 is 0 where g is 1 and the activations add up to -2."""
    net: Any = SimpleNamespace()
    activations, ones = torch.tensor([[[[1.0, -3.0]]]]), torch.ones(1, 1, 1, 2)
    net.features = net.compute_activations = lambda _: activations
    monkeypatch.setattr(
        method, "compute_gradients", lambda _, images, *__: (activations, ones.expand(len(images), -1, -1, -1))
    )
    maps = method.explain(net, random_images(1), TARGETS[:1])
    assert maps.shape == (1, 1, 2) and not maps.any()
