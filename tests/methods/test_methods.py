"""Methods compared with slow loops written from the papers' equations."""

from typing import Any

import pytest
import torch
from torch import Tensor

from cambench.bench.nets.net import Net
from cambench.bench.scoring.postprocess import fit, stretch
from cambench.methods import cam, centre, grad_cam, random, score_cam
from cambench.tests.support.nets import close, gradients, random_images, tiny_pooled

TARGETS = torch.tensor([3, 7])


@pytest.mark.parametrize("name", ["tiny_vgg", "vgg16", "squeezenet1_1"])
def test_grad_cam_follows_the_papers_equations(name: str, nets: dict[str, Net], images: Tensor) -> None:
    """alpha_k = mean over positions of dy/dA_k; the map is ReLU(sum_k alpha_k A_k)."""
    activations, slopes = gradients(nets[name], images, TARGETS)
    n, k, height, width = activations.shape
    expected = torch.zeros(n, height, width)
    for image in range(n):
        for channel in range(k):
            alpha = slopes[image, channel].sum() / (height * width)
            expected[image] += alpha * activations[image, channel]
    close(grad_cam.explain(nets[name], images, TARGETS), expected.clamp(min=0))


def test_cam_on_squeezenet_is_the_output_of_its_last_convolution(nets: dict[str, Net], images: Tensor) -> None:
    net: Any = nets["squeezenet1_1"]
    convolution = net.classify[1]
    activations = net.features(images)
    expected = torch.stack(
        [
            torch.einsum("k,khw->hw", convolution.weight[target, :, 0, 0], activation) + convolution.bias[target]
            for activation, target in zip(activations, TARGETS, strict=True)
        ]
    ).relu()
    close(cam.explain(net, images, TARGETS), expected)


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_score_cam_is_a_loop_over_channels(fill: Any, nets: dict[str, Net], images: Tensor) -> None:
    """The authors' loop: each channel that is not constant masks the image and is weighted by its softmax score."""
    net = nets["tiny_pooled"]
    blank = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * (fill == "mean")
    maps = score_cam.explain(net, images, TARGETS, fill=fill)
    for image, target, map_ in zip(images, TARGETS, maps, strict=True):
        activations = net.features(image[None])[0]
        expected = torch.zeros_like(activations[0])
        for channel in activations:
            if channel.max() > channel.min():
                mask = stretch(fit(channel[None], (64, 64)))[0]
                score = net((mask * image + (1 - mask) * blank)[None]).softmax(1)[0, target]
                expected += score * channel
        close(map_, expected.relu())


def test_score_cam_of_dead_channels_is_empty() -> None:
    net: Any = tiny_pooled()
    net.features[3].weight.data.zero_()
    net.features[3].bias.data.zero_()
    maps = score_cam.explain(net, random_images(2), TARGETS)
    assert maps.shape == (2, 16, 16) and not maps.any()


def test_the_random_map_depends_on_the_seed_and_the_image_alone(pooled: Net, images: Tensor) -> None:
    maps = random.explain(pooled, images, TARGETS)
    assert maps.shape == (2, 7, 7) and maps.min() >= 0 and maps.max() < 1
    assert not torch.equal(maps[0], maps[1])
    torch.manual_seed(99)
    assert torch.equal(maps, random.explain(pooled, images, TARGETS.flip(0)))
    assert not torch.equal(maps, random.explain(pooled, images, TARGETS, seed=1))


def test_the_random_map_does_not_use_the_global_generator(pooled: Net, images: Tensor) -> None:
    state = torch.get_rng_state()
    random.explain(pooled, images, TARGETS)
    assert torch.equal(state, torch.get_rng_state())


def test_the_centre_map_is_symmetric_with_its_maximum_in_the_middle(pooled: Net) -> None:
    map_ = centre.explain(pooled, torch.zeros(1, 3, 9, 9), TARGETS[:1])[0]
    assert map_.argmax() == 40 and map_[4, 4] == 1
    assert torch.allclose(map_, map_.flip(0)) and torch.allclose(map_, map_.flip(1)) and torch.allclose(map_, map_.T)
    assert float(map_[4, 0]) == pytest.approx(float(torch.tensor(-((4 / 9) ** 2) / (2 * 0.25**2)).exp()), rel=1e-5)
