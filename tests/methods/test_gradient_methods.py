"""Methods of gradients and of principal components: against slow loops written from the papers' equations, and theory."""

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from zlib import crc32

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


def small(*, inplace: bool = False) -> Net:
    """A convolution at the cut, so activations below 0 too, which count; behind it pooling to 2 x 2 and two linear layers."""
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
    return Net("small", Cut({str(n): part for n, part in enumerate(line)}, "1"), tuple("abcdefghij"), "fp32")


@pytest.fixture(scope="session")
def nets(nets: dict[str, Net]) -> dict[str, Net]:
    return nets | {"small": small()}


def score_of(target: int, of: str = "logit") -> Callable[[Tensor], Tensor]:
    return lambda logits: SCORES[of](logits, target)


def double(net: Net) -> Any:
    """What follows the net's cut, in float64."""
    return copy.deepcopy(net.classify).double()


def slopes_of(head: Any, activations: Tensor, scored: Callable[[Tensor], Tensor]) -> Tensor:
    """The gradients (k, h', w') of a score of one image's logits (classes,), float64."""
    leaf = activations.double().detach().requires_grad_()
    (found,) = torch.autograd.grad(scored(head(leaf[None].clone())[0]), leaf)
    return found


def each(net: Net, images: Tensor, of: str = "logit") -> list[tuple[Tensor, Tensor]]:
    """The activations and gradients (k, h', w') of the targets' scores, image by image, float64."""
    head, pairs = double(net), []
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        activations = net.features(image[None])[0].double()
        pairs.append((activations, slopes_of(head, activations, score_of(target, of))))
    return pairs


def weighted(weights: list[Tensor], activations: Tensor) -> Tensor:
    """ReLU(sum_k w_k A_k)"""
    total = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for weight, channel in zip(weights, activations, strict=True):
        total += weight * channel
    return total.clamp(min=0)


def like(found: Tensor, expected: list[Tensor]) -> None:
    close(found, torch.stack(expected).float())


def test_the_papers_settings_are_the_defaults() -> None:
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
    expected = [weighted([g.mean() for g in slopes], a) for a, slopes in each(nets[name], images, of)]
    like(grad_cam.explain(nets[name], images, TARGETS, of=of), expected)


def test_grad_cams_score_is_a_logit(nets: dict[str, Net], images: Tensor) -> None:
    plain, logit, softmax = (
        find(METHOD, spec)(nets["tiny_vgg"], images, TARGETS)
        for spec in ("grad_cam", "grad_cam[of=logit]", "grad_cam[of=softmax]")
    )
    assert torch.equal(plain, logit) and not torch.allclose(plain, softmax, rtol=1e-2)
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
def test_grad_cam_pp_is_equation_19(name: str, nets: dict[str, Net], images: Tensor) -> None:
    expected = [
        weighted([alpha_weight((g, g**2, g**3), channel) for g, channel in zip(slopes, a, strict=True)], a)
        for a, slopes in each(nets[name], images)
    ]
    like(grad_cam_pp.explain(nets[name], images, TARGETS), expected)


def test_grad_cam_pp_of_small_gradients_neither_vanishes_nor_overflows(pooled: Net, images: Tensor) -> None:
    """A class that is all but sure to be absent has gradients whose squares are 0 in float32."""
    net: Any = copy.deepcopy(pooled)
    net.classify[-1].weight.data *= 1e-25
    maps = grad_cam_pp.explain(net, images, TARGETS)
    plain = layer_cam.explain(net, images, TARGETS)  # alpha = 1/2 at every place, and there are 256
    close(maps / maps.amax(), plain / plain.amax())


@pytest.mark.parametrize("name", NETS)
def test_xgrad_cam_weighs_gradients_by_their_activations_share(name: str, nets: dict[str, Net], images: Tensor) -> None:
    expected = []
    for a, slopes in each(nets[name], images):
        weights = [(g * k).sum() / k.sum() if k.sum() else k.sum() for g, k in zip(slopes, a, strict=True)]
        expected.append(weighted(weights, a))
    like(xgrad_cam.explain(nets[name], images, TARGETS), expected)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_hires_cam_is_gradient_times_activation(name: str, relu: bool, nets: dict[str, Net], images: Tensor) -> None:
    expected = []
    for a, slopes in each(nets[name], images):
        total = torch.zeros(a.shape[1:], dtype=torch.float64)
        for g, channel in zip(slopes, a, strict=True):
            total += g * channel
        expected.append(total.clamp(min=0) if relu else total)
    assert relu or name == "squeezenet1_1" or min(float(map_.min()) for map_ in expected) < 0
    like(hires_cam.explain(nets[name], images, TARGETS, relu=relu), expected)


def layer_map(activations: Tensor, slopes: Tensor) -> Tensor:
    total = torch.zeros(activations.shape[1:], dtype=torch.float64)
    for g, channel in zip(slopes, activations, strict=True):
        total += g.clamp(min=0) * channel
    return total.clamp(min=0)


@pytest.mark.parametrize("name", NETS)
def test_layer_cam_keeps_each_places_positive_gradients(name: str, nets: dict[str, Net], images: Tensor) -> None:
    net = nets[name]
    expected = [layer_map(a, slopes) for a, slopes in each(net, images)]
    like(layer_cam.explain(net, images, TARGETS), expected)
    assert torch.equal(
        layer_cam.explain(net, images, TARGETS, layers=net.layer), layer_cam.explain(net, images, TARGETS)
    )


@pytest.mark.parametrize("layers", ["layer2+layer3+layer4", "layer4+layer2+layer3"])
def test_layer_cam_of_several_layers_is_the_highest_of_their_scaled_maps(
    layers: str, nets: dict[str, Net], images: Tensor
) -> None:
    net = nets["resnet18"]
    expected = []
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        scaled = []
        for layer in ("layer2", "layer3", "layer4"):
            front, rest = net.parts([layer])
            a = front(image[None])[0]
            map_ = layer_map(a.double(), slopes_of(copy.deepcopy(rest).double(), a, score_of(target)))
            scaled.append(fit(torch.tanh(2 * map_ / map_.max())[None], (8, 8))[0])
        expected.append(torch.stack(scaled).amax(0))
    found = layer_cam.explain(net, images, TARGETS, layers=layers)
    assert found.shape == (2, 8, 8)
    like(found, expected)


def test_layer_cams_layers_and_gamma_are_settings(nets: dict[str, Net], images: Tensor) -> None:
    net = nets["resnet18"]
    found = find(METHOD, "layer_cam[layers=layer3+layer4,gamma=1]")(net, images, TARGETS)
    assert not torch.allclose(found, layer_cam.explain(net, images, TARGETS, layers="layer3+layer4"))
    assert float(found.max()) == pytest.approx(float(torch.tensor(1.0).tanh()), rel=0.1)
    with pytest.raises(NotApplicable, match="tiny_vgg has no layer 'layer3' to cut at: there are: 0, 1"):
        layer_cam.explain(nets["tiny_vgg"], images, TARGETS, layers="layer3+layer4")
    with pytest.raises(UsageError, match="setting 'gamma': Input should be greater than 0"):
        find(METHOD, "layer_cam[gamma=0]")


def component(values: Tensor, centred: bool) -> Tensor:
    """The projection on the direction of most variance, found by multiplying any vector by A'A again and again."""
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
    like(eigen_cam.explain(net, images, TARGETS, centred=centred), [map_.clamp(min=0) for map_ in expected])


def test_eigen_cam_of_one_pattern_is_the_pattern() -> None:
    pattern = random_images(1, 8)[0, 0]
    strengths = torch.tensor([1.0, 2.0, 2.0])
    found = eigen_cam.first_component(strengths[:, None, None] * pattern, centred=False)
    close(found, 3 * pattern)
    close(eigen_cam.first_component(-strengths[:, None, None] * pattern, centred=False), -3 * pattern)


@pytest.mark.parametrize("centred", [True, False])
def test_eigen_grad_cam_is_eigen_cam_of_gradient_times_activation(
    centred: bool, nets: dict[str, Net], images: Tensor
) -> None:
    expected = [component(slopes * a, centred).clamp(min=0) for a, slopes in each(nets["tiny_vgg"], images)]
    like(eigen_grad_cam.explain(nets["tiny_vgg"], images, TARGETS, centred=centred), expected)


def test_the_sign_of_a_component_is_that_of_the_plain_sum(nets: dict[str, Net], images: Tensor) -> None:
    for a, slopes in each(nets["tiny_vgg"], images):
        for centred in (True, False):
            map_, total = eigen_cam.first_component(slopes * a, centred), (slopes * a).sum(0)
            assert float((map_ * (total - centred * total.mean())).sum()) > 0


@pytest.mark.parametrize(("gamma", "references"), [(0.6, 3), (1.0, 1), (0.3, 20)])
@pytest.mark.parametrize("name", ["tiny_vgg", "tiny_pooled"])
def test_finer_cam_is_grad_cam_of_the_difference_from_similar_classes(
    name: str, gamma: float, references: int, nets: dict[str, Net], images: Tensor
) -> None:
    net, expected = nets[name], []
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        a, logits = net.features(image[None])[0], net(image[None])[0]
        others = sorted(
            (one for one in range(10) if one != target), key=lambda one: float(abs(logits[one] - logits[target]))
        )
        similar = others[:references]

        def difference(y: Tensor, c: int = target, similar: list[int] = similar) -> Tensor:
            return y[c] - gamma * sum(y[d] for d in similar) / len(similar)

        expected.append(weighted([g.mean() for g in slopes_of(double(net), a, difference)], a.double()))
    like(finer_cam.explain(net, images, TARGETS, gamma=gamma, references=references), expected)


@pytest.mark.parametrize("of", SCORES)
@pytest.mark.parametrize("name", ["tiny_vgg", "tiny_pooled"])
def test_shapley_cam_takes_half_the_change_of_the_gradient_along_the_activations(
    name: str, of: Any, nets: dict[str, Net], images: Tensor
) -> None:
    """H A = d/dt g(A + t A), by differences."""
    head, expected, step = double(nets[name]), [], 1e-6
    for (a, slopes), target in zip(each(nets[name], images, of), TARGETS.tolist(), strict=True):
        further, nearer = (slopes_of(head, a * (1 + t), score_of(target, of)) for t in (step, -step))
        curvatures = (further - nearer) / (2 * step)
        expected.append(weighted([w.mean() for w in slopes - curvatures / 2], a))
    like(shapley_cam.explain(nets[name], images, TARGETS, of=of), expected)


def test_shapley_cams_score_is_rest(nets: dict[str, Net], images: Tensor) -> None:
    net = nets["tiny_vgg"]
    found = shapley_cam.explain(net, images, TARGETS)
    assert torch.equal(found, shapley_cam.explain(net, images, TARGETS, of="rest"))
    assert not torch.allclose(found, grad_cam.explain(net, images, TARGETS, of="rest"), rtol=1e-2)


@pytest.mark.parametrize(("name", "of"), [("tiny_vgg", "logit"), ("tiny_vgg", "softmax"), ("small", "logit")])
def test_smooth_grad_cam_pp_averages_the_powers_of_the_gradients_of_noisy_images(
    name: str, of: Any, nets: dict[str, Net], images: Tensor
) -> None:
    net, expected, samples, sigma = nets[name], [], 3, 0.2
    for image, target in zip(images, TARGETS.tolist(), strict=True):
        generator = torch.Generator().manual_seed(crc32(image.numpy().tobytes(), 5))
        noisy = [image + sigma * noise for noise in torch.randn(samples, 3, 64, 64, generator=generator)]
        slopes = [slopes_of(double(net), net.features(one[None])[0], score_of(target, of)) for one in noisy]
        first, second, third = (sum(g**power for g in slopes) / samples for power in (1, 2, 3))
        a = net.features(image[None])[0].double()
        weights = [alpha_weight(powers, channel) for *powers, channel in zip(first, second, third, a, strict=True)]
        expected.append(weighted(weights, a))
    found = smooth_grad_cam_pp.explain(net, images, TARGETS, seed=5, samples=samples, sigma=sigma, of=of)
    like(found, expected)


def test_the_noise_depends_on_its_seed_and_its_image_alone(nets: dict[str, Net], images: Tensor) -> None:
    net, before = nets["tiny_vgg"], torch.get_rng_state()
    maps = smooth_grad_cam_pp.explain(net, images, TARGETS)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(99)
    assert torch.equal(maps, smooth_grad_cam_pp.explain(net, images, TARGETS))
    alone = smooth_grad_cam_pp.explain(net, images[1:], TARGETS[1:])
    torch.testing.assert_close(maps[1:], alone, rtol=1e-5, atol=1e-6)  # kernels of another batch size round otherwise
    assert not torch.allclose(maps, smooth_grad_cam_pp.explain(net, images, TARGETS, seed=1), rtol=1e-3)
    assert find(METHOD, "smooth_grad_cam_pp", seed=7).settings["seed"] == 7


# What must be so, whatever the weights.


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_on_pooling_and_a_linear_layer_grad_cam_hires_cam_and_xgrad_cam_are_one(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    expected = grad_cam.explain(nets[name], images, TARGETS)
    for method in (hires_cam, xgrad_cam):
        close(method.explain(nets[name], images, TARGETS), expected)


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_on_pooling_and_a_linear_layer_layer_cam_is_grad_cam_of_the_positive_weights(
    name: str, nets: dict[str, Net], images: Tensor
) -> None:
    activations, slopes = gradients(nets[name], images, TARGETS)
    weights = slopes.mean((2, 3), keepdim=True).relu()
    close(layer_cam.explain(nets[name], images, TARGETS), (weights * activations).sum(1))


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_on_a_linear_head_shapley_cam_of_a_logit_is_grad_cam(name: str, nets: dict[str, Net], images: Tensor) -> None:
    close(shapley_cam.explain(nets[name], images, TARGETS, of="logit"), grad_cam.explain(nets[name], images, TARGETS))


def headed(head: nn.Module) -> Net:
    """A convolution at the cut, a layer behind it, global pooling, one linear layer."""
    with torch.random.fork_rng():
        torch.manual_seed(2)
        line = [Normalise(), nn.Conv2d(3, 6, 3, 2, 1), head, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)]
    return Net("headed", Cut({str(n): part for n, part in enumerate(line)}, "1"), tuple("abcdefghij"), "fp32")


def test_so_it_is_behind_a_batch_normalisation(images: Tensor) -> None:
    """Linear too, though torch's own derivative of it looks as if it depended on the activations."""
    net = headed(nn.BatchNorm2d(6))
    close(shapley_cam.explain(net, images, TARGETS, of="logit"), grad_cam.explain(net, images, TARGETS))


def test_shapley_cam_tells_of_a_layer_without_a_second_derivative(images: Tensor) -> None:
    with pytest.raises(NotApplicable, match=r"ShapleyCAM needs second derivatives, .*hardsigmoid_backward"):
        shapley_cam.explain(headed(nn.Hardsigmoid()), images, TARGETS)


@pytest.mark.parametrize("name", NETS)
def test_without_its_own_idea_a_method_is_the_one_it_extends(name: str, nets: dict[str, Net], images: Tensor) -> None:
    asked = (nets[name], images, TARGETS)
    close(finer_cam.explain(*asked, gamma=0), grad_cam.explain(*asked))
    close(smooth_grad_cam_pp.explain(*asked, sigma=0, samples=2), grad_cam_pp.explain(*asked))


# What nets do to methods.


@pytest.mark.parametrize("name", [*OF_GRADIENTS, "eigen_cam"])
def test_a_relu_in_place_behind_the_cut_changes_nothing(name: str) -> None:
    images = random_images(2, 16)
    plain, inplace = (find(METHOD, name)(small(inplace=inplace), images, TARGETS) for inplace in (False, True))
    assert float(plain.max()) > 0 and torch.equal(plain, inplace)
    assert find(METHOD, name)(small(inplace=True), images, TARGETS).isfinite().all()


def test_layer_cam_cuts_before_relus_in_place() -> None:
    images = random_images(2, 16)
    plain, inplace = (
        layer_cam.explain(small(inplace=inplace), images, TARGETS, layers="0+1") for inplace in (False, True)
    )
    assert plain.shape == (2, 16, 16) and torch.equal(plain, inplace)


@pytest.mark.parametrize("silent", ["scores", "activations", "both", "dead"])
@pytest.mark.parametrize("name", [*OF_GRADIENTS, "eigen_cam"])
def test_maps_of_constant_activations_and_of_zero_gradients_are_finite(name: str, silent: str) -> None:
    net: Any = small()
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
def test_a_denominator_of_0_gives_no_weight(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 g^2 + sum_ab A_ab g^3 is 0 where g is 1 and the activations add up to -2."""
    net: Any = SimpleNamespace()
    activations, ones = torch.tensor([[[[1.0, -3.0]]]]), torch.ones(1, 1, 1, 2)
    net.features = lambda _: activations
    monkeypatch.setattr(method, "gradients", lambda *_: (activations, ones))
    maps = method.explain(net, random_images(1), TARGETS[:1])
    assert maps.shape == (1, 1, 2) and not maps.any()
