"""The libraries' methods as plug-ins; this suite's methods beside theirs: the same maps, or the difference put in a formula."""

import copy
import inspect
from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cambench.bench.core.errors import NotApplicable, UsageError
from cambench.bench.core.plugins import METHOD, Plugin, find
from cambench.bench.nets.cut import Cut
from cambench.bench.nets.net import Net
from cambench.bench.nets.preprocessing import Normalise
from cambench.bench.scoring.postprocess import stretch
from cambench.methods import (
    cam,
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
from cambench.tests.support.nets import CLASSES, close, gradients, random_images

theirs = pytest.importorskip("torchcam.methods", reason="the library of the extra `references` is not installed")
library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")

TARGETS = torch.tensor([3, 7])
OF_PYTORCH_GRAD_CAM = [
    name
    for name, thing in vars(library).items()
    if hasattr(thing, "forward") and "targets" in inspect.signature(thing.forward).parameters
]
OF_TORCHCAM = [*theirs.activation.__all__, *theirs.gradient.__all__]
DRAWN = ("pytorch_grad_cam:RandomCAM", "torchcam:SSCAM", "torchcam:SmoothGradCAMpp")  # they need a seed


def spec_of(name: str, variant: str) -> str:
    return f"{name}:{variant}" + ("[layers=2+4]" if variant == "RefineCAM" else "")


SPECS = [spec_of("pytorch_grad_cam", variant) for variant in OF_PYTORCH_GRAD_CAM]
SPECS += [spec_of("torchcam", variant) for variant in OF_TORCHCAM if variant != "LeGrad"]


def test_the_libraries_methods_are_many() -> None:
    assert {"GradCAM", "EigenCAM", "AblationCAM", "FullGrad", "KPCA_CAM", "FinerCAM", "SESS"} < set(OF_PYTORCH_GRAD_CAM)
    assert {"CAM", "SSCAM", "ISCAM", "SmoothGradCAMpp", "FinerCAM", "RefineCAM"} < set(OF_TORCHCAM)


def hooks(net: Net) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in net.modules() for kind in kinds)


@pytest.mark.parametrize("spec", SPECS)
def test_every_method_of_a_library_makes_one_map_an_image_alike_twice_alone_or_in_company(
    spec: str, pooled: Net, images: Tensor, capfd: pytest.CaptureFixture[str]
) -> None:
    method, before, state = find(METHOD, spec), images.clone(), pooled.state()
    generators = torch.get_rng_state(), np.random.get_state()[1].copy()
    maps = method(pooled, images, TARGETS)
    assert maps.shape == (2, *maps.shape[1:]) and maps.isfinite().all() and not maps.requires_grad
    assert maps.shape[1:] == ((64, 64) if spec.startswith("pytorch") else (32, 32) if "2+4" in spec else (16, 16))
    assert float(maps.max()) > 0 and not torch.equal(maps[0], maps[1])
    torch.manual_seed(99), np.random.seed(99)
    for one in range(2):
        alone = method(pooled, images[one : one + 1], TARGETS[one : one + 1])[0]
        assert torch.equal(maps[one], alone)
    torch.set_rng_state(generators[0]), np.random.seed(0)
    assert torch.equal(images, before) and not images.requires_grad and images.grad is None
    assert pooled.state() == state and not hooks(pooled)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("spec", SPECS)
def test_the_global_generators_are_left_alone(spec: str, pooled: Net, images: Tensor) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    find(METHOD, spec)(pooled, images[:1], TARGETS[:1])
    assert torch.equal(before[0], torch.get_rng_state()) and np.array_equal(before[1], np.random.get_state()[1])


@pytest.mark.parametrize("spec", DRAWN)
def test_what_a_library_draws_depends_on_the_seed(spec: str, pooled: Net, images: Tensor) -> None:
    first, second = (find(METHOD, spec, seed=seed)(pooled, images, TARGETS) for seed in (0, 1))
    assert not torch.allclose(first, second, rtol=1e-3)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            "pytorch_grad_cam:EigenCam",
            r"pytorch_grad_cam has no method 'EigenCam': did you mean 'EigenCAM'\? there are:",
        ),
        ("pytorch_grad_cam:GuidedBackpropReLUModel", "has no method 'GuidedBackpropReLUModel'"),
        ("pytorch_grad_cam[variant=ActivationsAndGradients]", "has no method 'ActivationsAndGradients'"),
        ("pytorch_grad_cam:RefineCAM", "RefineCAM multiplies the maps of several layers: set layers=layer3"),
        ("pytorch_grad_cam:RefineCAM[layers=layer4]", "RefineCAM multiplies the maps of several layers"),
        ("pytorch_grad_cam:ShapleyCAM[layers=layer3+layer4]", "ShapleyCAM explains one layer, not several"),
        ("pytorch_grad_cam:FullGrad[layers=layer4]", "FullGrad explains every layer that has a bias: set no layers"),
        ("pytorch_grad_cam[variant=3]", "setting 'variant': Input should be a valid string"),
        ("torchcam:SSCam", r"torchcam has no method 'SSCam': did you mean 'SSCAM'\? there are: CAM, ISCAM"),
        ("torchcam:_CAM", "torchcam has no method '_CAM'"),
        ("torchcam:RefineCAM", "RefineCAM multiplies the maps of several layers"),
        ("torchcam:CAM[layers=layer3+layer4]", "CAM explains one layer, not several"),
    ],
)
def test_what_a_library_has_not_is_refused_before_anything_runs(spec: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        find(METHOD, spec)


@pytest.mark.parametrize(
    ("spec", "net", "told"),
    [
        ("torchcam:CAM", "vgg16", "torchcam's CAM needs one layer behind features.29, and vgg16 has 3"),
        ("torchcam:LeGrad", "resnet18", "LeGrad explains the attention of a transformer, and resnet18 has none"),
        ("torchcam:LayerCAM[layers=layer4]", "vgg16", "vgg16 has no layer 'layer4' to cut at"),
        ("pytorch_grad_cam:LayerCAM[layers=layer4]", "vgg16", "vgg16 has no layer 'layer4' to cut at"),
    ],
)
def test_a_net_that_a_librarys_method_is_not_for_is_told(
    spec: str, net: str, told: str, nets: dict[str, Net], images: Tensor
) -> None:
    with pytest.raises(NotApplicable, match=told):
        find(METHOD, spec)(nets[net], images, TARGETS)


@pytest.mark.parametrize("name", ["pytorch_grad_cam", "torchcam"])
def test_a_library_is_declared_so_that_its_absence_is_told_early(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(
        UsageError, match=rf"method {name} needs the library {name}: pip install 'cambench\[references\]'"
    ):
        find(METHOD, name)


# As the library computes them: on the same net, given to it by hand.


def whole(net: Net) -> nn.Sequential:
    """A net's modules behind the normalisation, as a user of the libraries would hold them, with gradients."""
    line = copy.deepcopy(nn.Sequential(*list(net.cut.line.values())[1:]))
    return line.requires_grad_().eval()


def normalised(net: Net, images: Tensor) -> Tensor:
    found: Tensor = next(iter(net.cut.line.values()))(images)
    return found


@pytest.mark.parametrize("variant", ["GradCAM", "ScoreCAM", "AblationCAM", "FullGrad", "XGradCAM", "EigenCAM", "SESS"])
def test_pytorch_grad_cams_methods_are_the_librarys(variant: str, nets: dict[str, Net], images: Tensor) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, module = nets["tiny_vgg"], whole(nets["tiny_vgg"])
    asked = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    with getattr(library, variant)(model=module, target_layers=[module[3]]) as extractor:
        expected = torch.from_numpy(extractor(input_tensor=normalised(net, images), targets=asked))
    torch.testing.assert_close(
        find(METHOD, f"pytorch_grad_cam:{variant}")(net, images, TARGETS), expected, rtol=0, atol=1e-4
    )


def test_pytorch_grad_cams_finer_cam_is_of_the_target_not_of_the_prediction(
    nets: dict[str, Net], images: Tensor
) -> None:
    net, module = nets["tiny_vgg"], whole(nets["tiny_vgg"])
    assert not torch.equal(net(images).argmax(1), TARGETS)
    with library.FinerCAM(model=module, target_layers=[module[3]]) as extractor:
        expected = [
            extractor(input_tensor=normalised(net, images[n : n + 1]), target_idx=int(target))[0]
            for n, target in enumerate(TARGETS)
        ]
    found = find(METHOD, "pytorch_grad_cam:FinerCAM")(net, images, TARGETS)
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-4)


@pytest.mark.parametrize("variant", ["GradCAM", "ScoreCAM", "ISCAM", "XGradCAM", "FinerCAM"])
def test_torchcams_methods_are_the_librarys(variant: str, nets: dict[str, Net], images: Tensor) -> None:
    net, module = nets["tiny_vgg"], whole(nets["tiny_vgg"])
    with getattr(theirs, variant)(module, "3") as extractor:
        (expected,) = extractor(TARGETS.tolist(), module(normalised(net, images)), normalized=False)
    close(find(METHOD, f"torchcam:{variant}")(net, images, TARGETS), expected.detach())


@pytest.mark.parametrize("variant", ["LayerCAM", "RefineCAM"])
def test_torchcams_layers_are_fused_by_the_library(variant: str, nets: dict[str, Net], images: Tensor) -> None:
    net, module = nets["tiny_vgg"], whole(nets["tiny_vgg"])
    with getattr(theirs, variant)(module, ["1", "3"]) as extractor:
        maps = extractor(TARGETS.tolist(), module(normalised(net, images)))
        expected = extractor.fuse_cams(maps) if variant == "LayerCAM" else maps[0]
    close(find(METHOD, f"torchcam:{variant}[layers=2+4]")(net, images, TARGETS), expected.detach())


# This suite's methods beside the libraries'.


@pytest.fixture(scope="module")
def fine() -> Net:
    """A net whose activations are as fine as its images, so that no library resizes a map."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        body = [nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU()]
        head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 16), nn.ReLU()]
        last = nn.Linear(16, 10)
    last.weight.data *= 30
    line = [Normalise(), *body, *head, last]
    return Net("fine", Cut({str(number): part for number, part in enumerate(line)}, "4"), CLASSES, "fp32")


def beside(variant: str, fine: Net, expected: Tensor) -> None:
    """Raises AssertionError where our maps, stretched, are not pytorch-grad-cam's."""
    found = find(METHOD, f"pytorch_grad_cam:{variant}")(fine, random_images(2, 16), TARGETS)
    assert float(found.std()) > 0.05
    torch.testing.assert_close(found, stretch(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("variant", "method"),
    [
        ("GradCAM", grad_cam),
        ("XGradCAM", xgrad_cam),
        ("HiResCAM", hires_cam),
        ("LayerCAM", layer_cam),
        ("GradCAMElementWise", layer_cam),  # behind a ReLU: ReLU(g) A = ReLU(g A)
        ("ShapleyCAM", shapley_cam),
    ],
)
def test_maps_are_pytorch_grad_cams(variant: str, method: Any, fine: Net) -> None:
    beside(variant, fine, method.explain(fine, random_images(2, 16), TARGETS))


def test_pytorch_grad_cams_random_cam_draws_weights_anew_for_each_image(fine: Net) -> None:
    weights = [
        np.random.RandomState(crc32(image.numpy().tobytes(), 0)).uniform(-1, 1, (8, 1, 1))
        for image in random_images(2, 16)
    ]
    beside(
        "RandomCAM", fine, (torch.tensor(np.stack(weights)) * fine.features(random_images(2, 16))).sum(1).relu().float()
    )


@pytest.mark.parametrize(("variant", "method"), [("EigenCAM", eigen_cam), ("EigenGradCAM", eigen_grad_cam)])
def test_principal_components_are_pytorch_grad_cams_but_for_the_sign(variant: str, method: Any, fine: Net) -> None:
    """It leaves the sign to NumPy."""
    images = random_images(2, 16)
    activations, slopes = gradients(fine, images, TARGETS)
    values = activations if method is eigen_cam else slopes * activations
    found = find(METHOD, f"pytorch_grad_cam:{variant}")(fine, images, TARGETS)
    ours = method.explain(fine, images, TARGETS, centred=True)
    for map_, own, one in zip(found, ours, values, strict=True):
        component = eigen_cam.first_component(one, centred=True)
        assert torch.equal(own, component.relu())
        signed = stretch(torch.stack([component, -component]).relu())
        assert min((map_ - one).abs().max() for one in signed) < 1e-4


def test_pytorch_grad_cams_finer_cam_weighs_the_similar_classes_by_their_scores(fine: Net) -> None:
    """sum_d p_d (y_c - y_d) / sum_d p_d, the gradient running through p too; the paper's is y_c - 0.6 mean_d y_d."""
    images = random_images(2, 16)
    activations = fine.features(images).clone().requires_grad_()
    logits = fine.classify(activations)
    total = torch.zeros(())
    for y, target in zip(logits, TARGETS.tolist(), strict=True):
        similar = (y - y[target]).abs().argsort()[1:4]
        p = y.softmax(0)[similar]
        total = total + (p * (y[target] - y[similar])).sum() / p.sum()
    (slopes,) = torch.autograd.grad(total, activations)
    expected = (slopes.mean((2, 3), keepdim=True) * activations.detach()).sum(1).relu()
    beside("FinerCAM", fine, expected)
    assert not torch.allclose(stretch(expected), stretch(finer_cam.explain(fine, images, TARGETS)), atol=0.01)


def with_gradients(fine: Net, factor: float) -> Net:
    net: Any = copy.deepcopy(fine)
    net.classify[-1].weight.data *= factor
    return net


def test_grad_cam_pp_is_pytorch_grad_cams_where_gradients_are_large(fine: Net) -> None:
    net = with_gradients(fine, 30)
    beside("GradCAMPlusPlus", net, grad_cam_pp.explain(net, random_images(2, 16), TARGETS))


def test_pytorch_grad_cams_grad_cam_pp_adds_1e_6_which_tells_on_small_gradients(fine: Net) -> None:
    net, images = with_gradients(fine, 3e-3), random_images(2, 16)
    activations, g = gradients(net, images, TARGETS)
    alphas = g**2 / (2 * g**2 + activations.sum((2, 3), keepdim=True) * g**3 + 1e-6)
    expected = ((alphas * g.relu()).sum((2, 3), keepdim=True) * activations).sum(1).relu()
    beside("GradCAMPlusPlus", net, expected)
    assert not torch.allclose(stretch(expected), stretch(grad_cam_pp.explain(net, images, TARGETS)), atol=1e-3)


@pytest.mark.parametrize("name", ["tiny_vgg", "resnet18", "squeezenet1_1"])
@pytest.mark.parametrize(
    ("variant", "explain"),
    [
        ("GradCAM", grad_cam.explain),
        ("XGradCAM", xgrad_cam.explain),
        ("LayerCAM", layer_cam.explain),
        ("FinerCAM", finer_cam.explain),
    ],
)
def test_maps_are_torchcams(
    variant: str, explain: Callable[..., Tensor], name: str, nets: dict[str, Net], images: Tensor
) -> None:
    found = find(METHOD, f"torchcam:{variant}")(nets[name], images, TARGETS)
    torch.testing.assert_close(
        explain(nets[name], images, TARGETS), found, rtol=1e-4, atol=1e-4 * float(found.abs().max())
    )
    assert float(found.max()) > 0


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_cam_is_torchcams(name: str, nets: dict[str, Net], images: Tensor) -> None:
    close(
        find(METHOD, "torchcam:CAM")(nets[name], images, TARGETS), cam.explain(nets[name], images, TARGETS, relu=False)
    )


def test_torchcams_cam_on_squeezenet_is_of_its_last_convolution(nets: dict[str, Net], images: Tensor) -> None:
    """Without its bias and ReLU, which ours has: they are part of what is pooled."""
    net: Any = nets["squeezenet1_1"]
    weights = net.classify[1].weight[TARGETS, :, 0, 0]
    expected = torch.einsum("nk,nkhw->nhw", weights, net.features(images))
    close(find(METHOD, "torchcam:CAM")(net, images, TARGETS), expected)


def test_layer_cam_of_several_layers_is_torchcams_where_each_map_touches_0(
    nets: dict[str, Net], images: Tensor
) -> None:
    """It scales a map between its lowest and highest value before the tanh, the paper between 0 and its highest."""
    net = nets["tiny_vgg"]
    for layer in ("2", "4"):
        assert (layer_cam.explain(net, images, TARGETS, layers=layer).amin((1, 2)) < 1e-6).all()
    found = find(METHOD, "torchcam:LayerCAM[layers=2+4]")(net, images, TARGETS)
    torch.testing.assert_close(layer_cam.explain(net, images, TARGETS, layers="2+4"), found, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["tiny_vgg", "resnet18"])
def test_torchcams_grad_cam_pp_never_divides(name: str, nets: dict[str, Net], images: Tensor) -> None:
    """Its alpha is the numerator, g^2: it divides a copy."""
    activations, g = gradients(nets[name], images, TARGETS)
    weights = (g**2 * g.relu()).sum((2, 3), keepdim=True)
    found = find(METHOD, "torchcam:GradCAMpp")(nets[name], images, TARGETS)
    close(found, (weights * activations).sum(1).relu())
    assert not torch.allclose(stretch(found), stretch(grad_cam_pp.explain(nets[name], images, TARGETS)), atol=1e-3)


def test_torchcams_smooth_grad_cam_pp_weighs_the_last_sample_by_its_gradient(
    nets: dict[str, Net], images: Tensor
) -> None:
    """ReLU(D1) is of the last sample alone, what is weighted are its activations, and below the line stands sum_ab A g^3."""
    net, module = nets["tiny_vgg"], whole(nets["tiny_vgg"])
    expected = []
    for image, target in zip(images, TARGETS[:, None], strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(crc32(image.numpy().tobytes(), 0))
            noises = [torch.distributions.Normal(0, 0.3).sample((1, 3, 64, 64)) for _ in range(4)]
        slopes = []
        for noise in noises:
            behind = module[:4](normalised(net, image[None]) + noise).detach().requires_grad_()
            slopes.append(torch.autograd.grad(module[4:](behind)[0, target].sum(), behind)[0])
        second, third = (torch.stack([g**power for g in slopes]).mean(0) for power in (2, 3))
        activations = net.features(image[None])
        alphas = second / (2 * second + (third * activations).sum((2, 3), keepdim=True) + 1e-8)
        weights = (alphas * slopes[-1].relu()).sum((2, 3), keepdim=True)
        expected.append((weights * behind.detach()).sum(1).relu()[0])
    found = find(METHOD, "torchcam:SmoothGradCAMpp")(net, images, TARGETS)
    close(found, torch.stack(expected))
    assert not torch.allclose(stretch(found), stretch(smooth_grad_cam_pp.explain(net, images, TARGETS)), atol=0.01)


def test_a_plugin_says_which_library_it_is(pooled: Net) -> None:
    plugin: Plugin = find(METHOD, "torchcam:SSCAM")
    assert plugin.module.REQUIRES == ("torchcam",) and plugin.spec == "torchcam:SSCAM"
    assert plugin.settings == {"variant": "SSCAM", "layers": "", "seed": 0}
