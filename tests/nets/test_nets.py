"""Shipped nets are torchvision's architectures, cut in two."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from cambench.bench.core.errors import NotApplicable, UsageError
from cambench.bench.data.types import MEAN, STD
from cambench.bench.nets import sources
from cambench.bench.nets.net import Net
from cambench.bench.nets.zoo import SHIPPED, list_architectures
from cambench.tests.support.nets import SIZE


@pytest.mark.parametrize("name", SHIPPED)
def test_a_cut_net_is_the_whole_net(
    name: str, nets: dict[str, Net], architectures: dict[str, nn.Module], images: Tensor
) -> None:
    net, module = nets[name], architectures[name]
    normalised = (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    seen: list[Tensor] = []
    with torch.inference_mode():
        layer = dict(module.named_modules())[net.layer]
        handle = layer.register_forward_hook(lambda _, __, output: seen.append(output.clone()))
        logits = module(normalised)
        handle.remove()
        activations = net.features(images)
        torch.testing.assert_close(net.classify(activations), logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(net(images), logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(seen[0], activations, rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_class_maps_average_to_the_logits(nets: dict[str, Net], images: Tensor) -> None:
    for net in nets.values():
        activations = net.features(images)
        if "vgg" in net.name:
            with pytest.raises(NotApplicable, match="fully connected"):
                net.class_maps(activations)
            continue
        constant: Any = 0 if net.name == "squeezenet1_1" else net.classify[-1].bias
        pooled = net.class_maps(activations).mean((2, 3)) + constant
        torch.testing.assert_close(pooled, net(images), rtol=1e-5, atol=1e-5)


def test_a_net_is_frozen_and_in_eval_mode(net: Net) -> None:
    assert not net.training and not any(parameter.requires_grad for parameter in net.parameters())
    assert net.layer and len(net.classes) == 10
    assert net.features(torch.rand(1, 3, SIZE, SIZE)).ndim == 4


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet19", "did you mean 'resnet18'"),
        ("ResNet50", r"there is no net 'ResNet50': did you mean 'resnet50@imagenet'\? there are: squeezenet1_1, "),
        ("ResNet50[weights=w.pth]", r"did you mean 'resnet50'\?"),
        ("vgg16@coco", "no weights 'coco'"),
        ("", "'' names no net"),
        ("fcn_resnet50", "torchvision's fcn_resnet50 segments images: take a net of floats that classifies images"),
        ("deeplabv3_resnet50@COCO_WITH_VOC_LABELS_V1", "torchvision's deeplabv3_resnet50 segments images"),
        ("fasterrcnn_resnet50_fpn", "torchvision's fasterrcnn_resnet50_fpn detects objects"),
        ("r3d_18", "torchvision's r3d_18 classifies videos"),
        ("raft_small", "torchvision's raft_small estimates the optical flow of videos"),
        ("quantized_resnet18", "torchvision's quantized_resnet18 is quantised"),
    ],
)
def test_an_unknown_net_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sources.parse_source(spec)


def test_every_net_of_torchvision_is_a_classifier_or_refused_by_its_task() -> None:
    others = set(torchvision.models.list_models()) - set(list_architectures())
    for name in others:
        with pytest.raises(
            UsageError, match=f"torchvision's {name} (segments|detects|classifies|estimates|is quantised)"
        ):
            sources.parse_source(name)
    assert len(others) > 20


def test_a_file_is_suggested_for_its_stem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").touch()
    with pytest.raises(UsageError, match=r"there is no net 'mine': did you mean mine\.py:FACTORY, with the name"):
        sources.parse_source("mine")


def test_a_file_of_weights_is_not_taken_for_a_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.pth").touch()
    with pytest.raises(
        UsageError, match=r"mine\.pth is a file, not a net: .* write --net ARCHITECTURE, .*--weights mine"
    ):
        sources.parse_source("mine.pth")
