"""What must be true of every net of a kind, whatever its weights."""

import pytest
import torch
from torch import Tensor

from cambench.bench.nets import Net
from cambench.methods import cam, grad_cam
from cambench.tests._nets import close, gradients

TARGETS = torch.tensor([3, 7])
POOLED = ("tiny_pooled", "resnet18")  # global average pooling and one linear layer


@pytest.mark.parametrize("name", POOLED)
def test_grad_cam_is_the_positive_part_of_cam_over_the_pixels(name: str, nets: dict[str, Net], images: Tensor) -> None:
    net = nets[name]
    maps = cam.explain(net, images, TARGETS, relu=False)
    height, width = maps.shape[1:]
    assert height * width > 1 and (maps < 0).any()
    close(grad_cam.explain(net, images, TARGETS), maps.relu() / (height * width))
    assert torch.equal(cam.explain(net, images, TARGETS), maps.relu())


@pytest.mark.parametrize("name", POOLED)
def test_grad_cam_hires_cam_and_x_grad_cam_are_one(name: str, nets: dict[str, Net], images: Tensor) -> None:
    activations, slopes = gradients(nets[name], images, TARGETS)
    expected = grad_cam.explain(nets[name], images, TARGETS)
    close(expected, (slopes * activations).sum(1).relu())
    share = (slopes * activations).sum((2, 3), keepdim=True) / activations.sum((2, 3), keepdim=True).clamp(min=1e-12)
    close(expected, (share * activations).sum(1).relu())
