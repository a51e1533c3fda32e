"""The libraries' methods as plug-ins, and this suite's methods compared with them: equal maps, or a known difference."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

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
from cambench.methods._components import project_on_first_component
from cambench.tests.support.naive import draw_seed
from cambench.tests.support.nets import CLASSES, close, gradients, random_images

torchcam = pytest.importorskip("torchcam.methods", reason="the library of the extra `references` is not installed")
library = pytest.importorskip("pytorch_grad_cam", reason="the library of the extra `references` is not installed")

TARGETS = torch.tensor([3, 7])
OF_PYTORCH_GRAD_CAM = [
    name
    for name, member in vars(library).items()
    if hasattr(member, "forward") and "targets" in inspect.signature(member.forward).parameters
]
OF_TORCHCAM = [*torchcam.activation.__all__, *torchcam.gradient.__all__]
RANDOM = ("pytorch_grad_cam:RandomCAM", "torchcam:SSCAM", "torchcam:SmoothGradCAMpp")  # methods with random numbers


def spec_of(name: str, variant: str) -> str:
    return f"{name}:{variant}" + ("[layers=2+4]" if variant == "RefineCAM" else "")


SPECS = [spec_of("pytorch_grad_cam", variant) for variant in OF_PYTORCH_GRAD_CAM]
SPECS += [spec_of("torchcam", variant) for variant in OF_TORCHCAM if variant != "LeGrad"]


def test_the_methods_of_both_libraries_are_listed() -> None:
    assert {"GradCAM", "EigenCAM", "AblationCAM", "FullGrad", "KPCA_CAM", "FinerCAM", "SESS"} < set(OF_PYTORCH_GRAD_CAM)
    assert {"CAM", "SSCAM", "ISCAM", "SmoothGradCAMpp", "FinerCAM", "RefineCAM"} < set(OF_TORCHCAM)


def hooks(net: Net) -> int:
    attributes = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, attribute)) for module in net.modules() for attribute in attributes)


@pytest.mark.parametrize("spec", SPECS)
def test_library_methods_give_one_map_per_image_independent_of_the_batch(
    spec: str, pooled: Net, images: Tensor, capfd: pytest.CaptureFixture[str]
) -> None:
    method, original, state = find(METHOD, spec), images.clone(), pooled.protected_state()
    generators = torch.get_rng_state(), np.random.get_state()[1].copy()
    maps = method(pooled, images, TARGETS)
    assert maps.shape == (2, *maps.shape[1:]) and maps.isfinite().all() and not maps.requires_grad
    assert maps.shape[1:] == ((64, 64) if spec.startswith("pytorch") else (32, 32) if "2+4" in spec else (16, 16))
    assert float(maps.max()) > 0 and not torch.equal(maps[0], maps[1])
    torch.manual_seed(99), np.random.seed(99)
    for index in range(2):
        alone = method(pooled, images[index : index + 1], TARGETS[index : index + 1])[0]
        assert torch.equal(maps[index], alone)
    torch.set_rng_state(generators[0]), np.random.seed(0)
    assert torch.equal(images, original) and not images.requires_grad and images.grad is None
    assert pooled.protected_state() == state and not hooks(pooled)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("spec", SPECS)
def test_library_methods_restore_the_global_generators(spec: str, pooled: Net, images: Tensor) -> None:
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    find(METHOD, spec)(pooled, images[:1], TARGETS[:1])
    assert torch.equal(states[0], torch.get_rng_state()) and np.array_equal(states[1], np.random.get_state()[1])


@pytest.mark.parametrize("spec", RANDOM)
def test_random_numbers_of_library_methods_depend_on_the_seed(spec: str, pooled: Net, images: Tensor) -> None:
    first, second = (find(METHOD, spec, seed=seed)(pooled, images, TARGETS) for seed in (0, 1))
    assert not torch.allclose(first, second, rtol=1e-3)


@pytest.mark.parametrize(
    ("spec", "message"),
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
def test_unknown_library_methods_and_layers_are_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find(METHOD, spec)


@pytest.mark.parametrize(
    ("spec", "net", "message"),
    [
        ("torchcam:CAM", "vgg16", "torchcam's CAM needs one layer after features.29, and vgg16 has 3"),
        ("torchcam:LeGrad", "resnet18", "LeGrad explains the attention of a transformer, and resnet18 has none"),
        ("torchcam:LayerCAM[layers=layer4]", "vgg16", "vgg16 has no layer 'layer4' to cut at"),
        ("pytorch_grad_cam:LayerCAM[layers=layer4]", "vgg16", "vgg16 has no layer 'layer4' to cut at"),
    ],
)
def test_a_library_method_that_does_not_apply_to_a_net_raises_not_applicable(
    spec: str, net: str, message: str, nets: dict[str, Net], images: Tensor
) -> None:
    with pytest.raises(NotApplicable, match=message):
        find(METHOD, spec)(nets[net], images, TARGETS)


@pytest.mark.parametrize("name", ["pytorch_grad_cam", "torchcam"])
def test_a_missing_library_is_reported_when_the_method_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(
        UsageError, match=rf"method {name} needs the library {name}: pip install 'cambench\[references\]'"
    ):
        find(METHOD, name)


# Plug-ins compared with direct calls of the library.


def module_with_gradients(net: Net) -> nn.Sequential:
    """A copy of a net's modules after the normalisation, with gradients, as users of the libraries have it."""
    line = copy.deepcopy(nn.Sequential(*list(net.cut.modules.values())[1:]))
    return line.requires_grad_().eval()


def normalised(net: Net, images: Tensor) -> Tensor:
    inputs: Tensor = next(iter(net.cut.modules.values()))(images)
    return inputs


@pytest.mark.parametrize("variant", ["GradCAM", "ScoreCAM", "AblationCAM", "FullGrad", "XGradCAM", "EigenCAM", "SESS"])
def test_pytorch_grad_cam_plugins_equal_the_library(variant: str, nets: dict[str, Net], images: Tensor) -> None:
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, module = nets["tiny_vgg"], module_with_gradients(nets["tiny_vgg"])
    requests = [ClassifierOutputTarget(int(target)) for target in TARGETS]
    with getattr(library, variant)(model=module, target_layers=[module[3]]) as extractor:
        expected = torch.from_numpy(extractor(input_tensor=normalised(net, images), targets=requests))
    torch.testing.assert_close(
        find(METHOD, f"pytorch_grad_cam:{variant}")(net, images, TARGETS), expected, rtol=0, atol=1e-4
    )


def test_pytorch_grad_cams_finer_cam_explains_the_target(nets: dict[str, Net], images: Tensor) -> None:
    net, module = nets["tiny_vgg"], module_with_gradients(nets["tiny_vgg"])
    assert not torch.equal(net(images).argmax(1), TARGETS)
    with library.FinerCAM(model=module, target_layers=[module[3]]) as extractor:
        expected = [
            extractor(input_tensor=normalised(net, images[n : n + 1]), target_idx=int(target))[0]
            for n, target in enumerate(TARGETS)
        ]
    maps = find(METHOD, "pytorch_grad_cam:FinerCAM")(net, images, TARGETS)
    np.testing.assert_allclose(maps, np.stack(expected), atol=1e-4)


@pytest.mark.parametrize("variant", ["GradCAM", "ScoreCAM", "ISCAM", "XGradCAM", "FinerCAM"])
def test_torchcam_plugins_equal_the_library(variant: str, nets: dict[str, Net], images: Tensor) -> None:
    net, module = nets["tiny_vgg"], module_with_gradients(nets["tiny_vgg"])
    with getattr(torchcam, variant)(module, "3") as extractor:
        (expected,) = extractor(TARGETS.tolist(), module(normalised(net, images)), normalized=False)
    close(find(METHOD, f"torchcam:{variant}")(net, images, TARGETS), expected.detach())


@pytest.mark.parametrize("variant", ["LayerCAM", "RefineCAM"])
def test_torchcams_layers_are_fused_by_the_library(variant: str, nets: dict[str, Net], images: Tensor) -> None:
    net, module = nets["tiny_vgg"], module_with_gradients(nets["tiny_vgg"])
    with getattr(torchcam, variant)(module, ["1", "3"]) as extractor:
        maps = extractor(TARGETS.tolist(), module(normalised(net, images)))
        expected = extractor.fuse_cams(maps) if variant == "LayerCAM" else maps[0]
    close(find(METHOD, f"torchcam:{variant}[layers=2+4]")(net, images, TARGETS), expected.detach())


# This suite's methods compared with the libraries'.


@pytest.fixture(scope="module")
def fine() -> Net:
    """A net whose activations have the size of its images, so that no library resizes a map."""
    with torch.random.fork_rng():
        torch.manual_seed(4)
        body = [nn.Conv2d(3, 6, 3, 1, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 1, 1), nn.ReLU()]
        head = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 16), nn.ReLU()]
        final = nn.Linear(16, 10)
    final.weight.data *= 30
    line = [Normalise(), *body, *head, final]
    return Net("fine", Cut({str(number): module for number, module in enumerate(line)}, "4"), CLASSES, "fp32")


def check_equal(variant: str, fine: Net, expected: Tensor) -> None:
    """Raise AssertionError unless our stretched maps equal pytorch-grad-cam's."""
    maps = find(METHOD, f"pytorch_grad_cam:{variant}")(fine, random_images(2, 16), TARGETS)
    assert float(maps.std()) > 0.05
    torch.testing.assert_close(maps, stretch(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("variant", "method"),
    [
        ("GradCAM", grad_cam),
        ("XGradCAM", xgrad_cam),
        ("HiResCAM", hires_cam),
        ("LayerCAM", layer_cam),
        ("GradCAMElementWise", layer_cam),  # after a ReLU: ReLU(g) A = ReLU(g A)
        ("ShapleyCAM", shapley_cam),
    ],
)
def test_maps_equal_pytorch_grad_cams(variant: str, method: Any, fine: Net) -> None:
    check_equal(variant, fine, method.explain(fine, random_images(2, 16), TARGETS))


def test_pytorch_grad_cams_random_cam_draws_new_weights_for_each_image(fine: Net) -> None:
    weights = [np.random.RandomState(draw_seed(image, 0)).uniform(-1, 1, (8, 1, 1)) for image in random_images(2, 16)]
    check_equal(
        "RandomCAM", fine, (torch.tensor(np.stack(weights)) * fine.features(random_images(2, 16))).sum(1).relu().float()
    )


@pytest.mark.parametrize(("variant", "method"), [("EigenCAM", eigen_cam), ("EigenGradCAM", eigen_grad_cam)])
def test_principal_components_equal_pytorch_grad_cams_up_to_the_sign(variant: str, method: Any, fine: Net) -> None:
    """The library takes the sign that NumPy returns."""
    images = random_images(2, 16)
    activations, slopes = gradients(fine, images, TARGETS)
    values = activations if method is eigen_cam else slopes * activations
    library_maps = find(METHOD, f"pytorch_grad_cam:{variant}")(fine, images, TARGETS)
    our_maps = method.explain(fine, images, TARGETS, centred=True)
    components = project_on_first_component(values, centred=True)
    assert torch.equal(our_maps, components.relu())
    for map_, component in zip(library_maps, components, strict=True):
        signed = stretch(torch.stack([component, -component]).relu())
        assert min((map_ - one).abs().max() for one in signed) < 1e-4


def test_pytorch_grad_cams_finer_cam_weights_similar_classes_by_their_scores(fine: Net) -> None:
    """The library explains sum_d p_d (y_c - y_d) / sum_d p_d, with gradients of p; the paper y_c - 0.6 mean_d y_d."""
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
    check_equal("FinerCAM", fine, expected)
    assert not torch.allclose(stretch(expected), stretch(finer_cam.explain(fine, images, TARGETS)), atol=0.01)


def with_gradients(fine: Net, factor: float) -> Net:
    net: Any = copy.deepcopy(fine)
    net.classify[-1].weight.data *= factor
    return net


def test_grad_cam_pp_equals_pytorch_grad_cams_for_large_gradients(fine: Net) -> None:
    net = with_gradients(fine, 30)
    check_equal("GradCAMPlusPlus", net, grad_cam_pp.explain(net, random_images(2, 16), TARGETS))


def test_pytorch_grad_cams_grad_cam_pp_differs_for_small_gradients(fine: Net) -> None:
    net, images = with_gradients(fine, 3e-3), random_images(2, 16)
    activations, g = gradients(net, images, TARGETS)
    alphas = g**2 / (2 * g**2 + activations.sum((2, 3), keepdim=True) * g**3 + 1e-6)
    expected = ((alphas * g.relu()).sum((2, 3), keepdim=True) * activations).sum(1).relu()
    check_equal("GradCAMPlusPlus", net, expected)
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
def test_maps_equal_torchcams(
    variant: str, explain: Callable[..., Tensor], name: str, nets: dict[str, Net], images: Tensor
) -> None:
    maps = find(METHOD, f"torchcam:{variant}")(nets[name], images, TARGETS)
    torch.testing.assert_close(
        explain(nets[name], images, TARGETS), maps, rtol=1e-4, atol=1e-4 * float(maps.abs().max())
    )
    assert float(maps.max()) > 0


@pytest.mark.parametrize("name", ["tiny_pooled", "resnet18"])
def test_cam_equals_torchcams(name: str, nets: dict[str, Net], images: Tensor) -> None:
    close(
        find(METHOD, "torchcam:CAM")(nets[name], images, TARGETS), cam.explain(nets[name], images, TARGETS, relu=False)
    )


def test_torchcams_cam_on_squeezenet_uses_the_weights_of_its_last_convolution(
    nets: dict[str, Net], images: Tensor
) -> None:
    """The library omits the bias and the ReLU before pooling, which this suite's CAM includes."""
    net: Any = nets["squeezenet1_1"]
    weights = net.classify[1].weight[TARGETS, :, 0, 0]
    expected = torch.einsum("nk,nkhw->nhw", weights, net.features(images))
    close(find(METHOD, "torchcam:CAM")(net, images, TARGETS), expected)


def test_layer_cam_of_several_layers_equals_torchcams_if_each_map_reaches_0(
    nets: dict[str, Net], images: Tensor
) -> None:
    """Before the tanh torchcam scales a map between its lowest and highest value, the paper between 0 and the highest."""
    net = nets["tiny_vgg"]
    for layer in ("2", "4"):
        assert (layer_cam.explain(net, images, TARGETS, layers=layer).amin((1, 2)) < 1e-6).all()
    maps = find(METHOD, "torchcam:LayerCAM[layers=2+4]")(net, images, TARGETS)
    torch.testing.assert_close(layer_cam.explain(net, images, TARGETS, layers="2+4"), maps, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["tiny_vgg", "resnet18"])
def test_torchcams_grad_cam_pp_never_divides(name: str, nets: dict[str, Net], images: Tensor) -> None:
    """Its alpha is the numerator, g^2, because the code divides a copy."""
    activations, g = gradients(nets[name], images, TARGETS)
    weights = (g**2 * g.relu()).sum((2, 3), keepdim=True)
    maps = find(METHOD, "torchcam:GradCAMpp")(nets[name], images, TARGETS)
    close(maps, (weights * activations).sum(1).relu())
    assert not torch.allclose(stretch(maps), stretch(grad_cam_pp.explain(nets[name], images, TARGETS)), atol=1e-3)


def test_torchcams_smooth_grad_cam_pp_uses_the_last_sample_only(nets: dict[str, Net], images: Tensor) -> None:
    """ReLU(D1) and the weighted activations are those of the last sample, and the denominator has sum_ab A g^3."""
    net, module = nets["tiny_vgg"], module_with_gradients(nets["tiny_vgg"])
    expected = []
    for image, target in zip(images, TARGETS[:, None], strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(draw_seed(image, 0))
            noises = [torch.distributions.Normal(0, 0.3).sample((1, 3, 64, 64)) for _ in range(4)]
        slopes = []
        for noise in noises:
            activations_ = module[:4](normalised(net, image[None]) + noise).detach().requires_grad_()
            slopes.append(torch.autograd.grad(module[4:](activations_)[0, target].sum(), activations_)[0])
        second, third = (torch.stack([g**power for g in slopes]).mean(0) for power in (2, 3))
        activations = net.features(image[None])
        alphas = second / (2 * second + (third * activations).sum((2, 3), keepdim=True) + 1e-8)
        weights = (alphas * slopes[-1].relu()).sum((2, 3), keepdim=True)
        expected.append((weights * activations_.detach()).sum(1).relu()[0])
    maps = find(METHOD, "torchcam:SmoothGradCAMpp")(net, images, TARGETS)
    close(maps, torch.stack(expected))
    assert not torch.allclose(stretch(maps), stretch(smooth_grad_cam_pp.explain(net, images, TARGETS)), atol=0.01)


def test_a_library_plugin_declares_its_library(pooled: Net) -> None:
    plugin: Plugin = find(METHOD, "torchcam:SSCAM")
    assert plugin.module.REQUIRES == ("torchcam",) and plugin.spec == "torchcam:SSCAM"
    assert plugin.settings == {"variant": "SSCAM", "layers": "", "seed": 0}
