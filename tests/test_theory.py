"""What must be true of every net of a kind, whatever its weights."""

import pytest
import torch
from torch import Tensor

from cambench.bench.maps import fit, stretch
from cambench.bench.nets import Net
from cambench.methods import cam, centre, grad_cam, random, score_cam
from cambench.tests._nets import random_images, tiny_pooled

TARGETS = torch.tensor([3, 7])
POOLED = ("tiny_pooled", "resnet18")  # global average pooling and one linear layer


def _close(found: Tensor, expected: Tensor) -> None:
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def _gradients(net: Net, images: Tensor) -> tuple[Tensor, Tensor]:
    """Activations, and the gradient of the target's logit, through the whole net at once."""
    activations = net.features(images).clone().requires_grad_()
    sum(net.classify(activations)[i, int(target)] for i, target in enumerate(TARGETS)).backward()
    assert activations.grad is not None
    return activations.detach(), activations.grad


@pytest.mark.parametrize("name", POOLED)
def test_grad_cam_is_the_positive_part_of_cam_over_the_pixels(name: str, nets: dict[str, Net], images: Tensor) -> None:
    net = nets[name]
    maps = cam.explain(net, images, TARGETS, relu=False)
    height, width = maps.shape[1:]
    assert height * width > 1 and (maps < 0).any()
    _close(grad_cam.explain(net, images, TARGETS), maps.relu() / (height * width))
    assert torch.equal(cam.explain(net, images, TARGETS), maps.relu())


@pytest.mark.parametrize("name", POOLED)
def test_grad_cam_hires_cam_and_x_grad_cam_are_one(name: str, nets: dict[str, Net], images: Tensor) -> None:
    activations, gradients = _gradients(nets[name], images)
    expected = grad_cam.explain(nets[name], images, TARGETS)
    _close(expected, (gradients * activations).sum(1).relu())
    share = (gradients * activations).sum((2, 3), keepdim=True) / activations.sum((2, 3), keepdim=True).clamp(min=1e-12)
    _close(expected, (share * activations).sum(1).relu())


@pytest.mark.parametrize("name", ["tiny_vgg", "vgg16", "squeezenet1_1"])
def test_grad_cam_is_the_papers_equations(name: str, nets: dict[str, Net], images: Tensor) -> None:
    """alpha_k = mean over places of dy/dA_k; the map is ReLU(sum_k alpha_k A_k)."""
    activations, gradients = _gradients(nets[name], images)
    n, k, height, width = activations.shape
    expected = torch.zeros(n, height, width)
    for image in range(n):
        for channel in range(k):
            alpha = gradients[image, channel].sum() / (height * width)
            expected[image] += alpha * activations[image, channel]
    _close(grad_cam.explain(nets[name], images, TARGETS), expected.clamp(min=0))


def test_cam_on_squeezenet_is_its_own_map_of_the_class(nets: dict[str, Net], images: Tensor) -> None:
    net = nets["squeezenet1_1"]
    convolution = net.classify[0][1]
    activations = net.features(images)
    expected = torch.stack(
        [
            torch.einsum("k,khw->hw", convolution.weight[target, :, 0, 0], one) + convolution.bias[target]
            for one, target in zip(activations, TARGETS, strict=True)
        ]
    ).relu()
    _close(cam.explain(net, images, TARGETS), expected)


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_score_cam_is_a_loop_over_channels(fill: str, nets: dict[str, Net], images: Tensor) -> None:
    """The authors' loop: skip constant channels, mask the image by each other one, weigh it by its softmax score."""
    net = nets["tiny_pooled"]
    blank = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * (fill == "mean")
    found = score_cam.explain(net, images, TARGETS, fill=fill)
    for image, target, map in zip(images, TARGETS, found, strict=True):
        activations = net.features(image[None])[0]
        expected = torch.zeros_like(activations[0])
        for channel in activations:
            if channel.max() > channel.min():
                mask = stretch(fit(channel[None], (64, 64)))[0]
                score = net((mask * image + (1 - mask) * blank)[None]).softmax(1)[0, target]
                expected += score * channel
        _close(map, expected.relu())


def test_score_cam_of_dead_channels_is_empty() -> None:
    net = tiny_pooled()
    net.features[3].weight.data.zero_()
    net.features[3].bias.data.zero_()
    maps = score_cam.explain(net, random_images(2), TARGETS)
    assert maps.shape == (2, 16, 16) and not maps.any()


def test_the_random_map_depends_on_its_seed_and_its_image_alone(pooled: Net, images: Tensor) -> None:
    maps = random.explain(pooled, images, TARGETS)
    assert maps.shape == (2, 7, 7) and 0 <= maps.min() and maps.max() < 1
    assert not torch.equal(maps[0], maps[1])
    torch.manual_seed(99)
    assert torch.equal(maps, random.explain(pooled, images, TARGETS.flip(0)))
    assert not torch.equal(maps, random.explain(pooled, images, TARGETS, seed=1))


def test_the_random_map_leaves_the_global_generator_alone(pooled: Net, images: Tensor) -> None:
    before = torch.get_rng_state()
    random.explain(pooled, images, TARGETS)
    assert torch.equal(before, torch.get_rng_state())


def test_the_centre_is_highest_in_the_middle_and_alike_on_all_sides(pooled: Net) -> None:
    map = centre.explain(pooled, torch.zeros(1, 3, 9, 9), TARGETS[:1])[0]
    assert map.argmax() == 40 and map[4, 4] == 1
    assert torch.allclose(map, map.flip(0)) and torch.allclose(map, map.flip(1)) and torch.allclose(map, map.T)
    assert float(map[4, 0]) == pytest.approx(float(torch.tensor(-((4 / 9) ** 2) / (2 * 0.25**2)).exp()), rel=1e-5)
