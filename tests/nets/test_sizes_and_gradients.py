"""Nets that torch.fx cannot trace, or traces wrongly: scores at every size of images, and gradients, are the module's own."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cambench.bench.core.errors import Fatal, ImageError
from cambench.bench.forward.forward import Stream
from cambench.bench.nets import load, split
from cambench.bench.nets.net import Net
from cambench.methods import grad_cam

GENERATOR = torch.Generator().manual_seed(2)
IMAGES = {size: torch.rand(2, 3, size, size, generator=GENERATOR) for size in (48, 64)}


class Base(nn.Module):
    """Two convolutions and a linear layer; subclasses use them in their own way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.fc = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.Linear(8, 4)
        self.gate = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(F.relu(self.stem(x))), x)

    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        del x
        logits: Tensor = self.fc(F.relu(maps).mean((2, 3)))
        return logits


class Checked(Base):
    """Looks at its input's values, so that torch.fx cannot trace it."""

    def forward(self, x: Tensor) -> Tensor:
        assert not torch.isnan(x).any()
        return super().forward(x)


class AsksForItsSize(Checked):
    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(F.relu(maps).sum((2, 3)) * 16 / (x.shape[2] * x.shape[3]))
        return logits


class ResizesToItsInput(Checked):
    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(F.interpolate(maps, x.shape[2:], mode="bilinear").amax((2, 3)))
        return logits


class BranchesOnItsSize(Checked):
    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        return super().head(maps if x.shape[-1] < 100 else -maps, x)


class UsesItsInputAgain(Checked):
    """On small images, so that the two halves have the net's scores at the probe's size alone."""

    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        return super().head(maps * (10 * x.mean() if x.shape[-1] < 50 else 1.0), x)


class DependsOnTheBatch(Base):
    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        logits = super().head(maps, x)
        return logits - logits.mean(0) if x.shape[0] > 4 else logits


class KeepsPositions(Base):
    """Computes a tensor for each size of images, and keeps it."""

    positions: Tensor | None = None

    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        if self.positions is None or self.positions.shape[-1] != maps.shape[-1]:
            self.positions = torch.linspace(0.5, 1, maps.shape[-1])
        return super().head(maps * self.positions, x)


def make(kind: Callable[[], Base]) -> Base:
    torch.manual_seed(0)
    return kind().eval()


def load_net(kind: Callable[[], Base]) -> Net:
    return load.load_module(make(kind), preprocess="none", layer="conv", precision="fp32")


@pytest.mark.parametrize("kind", [Checked, AsksForItsSize, ResizesToItsInput, BranchesOnItsSize])
def test_a_net_that_runs_twice_has_its_scores_at_every_size(kind: Callable[[], Base]) -> None:
    net = load_net(kind)
    assert split.AFTER_LAYER in net.cut.modules
    for size in (48, 64, 48):
        images = IMAGES[size]
        net.prepare(images)
        expected = make(kind)(images)
        assert torch.allclose(net(images), expected, atol=1e-6)
        assert torch.allclose(net.classify(net.features(images)), expected, atol=1e-6)


def test_a_net_whose_halves_have_other_scores_at_a_size_is_refused_there() -> None:
    net = load_net(UsesItsInputAgain)
    net.prepare(IMAGES[64])
    with pytest.raises(
        ImageError, match=r"net cannot be cut at conv for images of 48 x 48: its scores would differ by"
    ):
        net.prepare(IMAGES[48])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_net_with_other_scores_in_a_large_batch_is_refused(precision: str) -> None:
    net = load.load_module(make(DependsOnTheBatch), preprocess="none", layer="conv", precision=precision)
    with pytest.raises(Fatal, match="net gives an image other scores in a batch of 16 than alone: they differ by"):
        net.prepare(IMAGES[64])
    load.load_module(make(Base), preprocess="none", layer="conv", precision=precision).prepare(IMAGES[64])


def test_what_a_net_keeps_for_a_size_can_be_used_with_gradients() -> None:
    net = load_net(KeepsPositions)
    for size in (48, 64):
        net.prepare(IMAGES[size])
        with torch.inference_mode():
            net(IMAGES[size])
        maps = grad_cam.explain(net, IMAGES[size], torch.tensor([1, 1]))
        assert maps.isfinite().all() and maps.shape == (2, size // 4, size // 4)


class KeepsABuffer(Base):
    """Keeps a buffer for the size of its images, or for their number."""

    def __init__(self, *, by_count: bool = False) -> None:
        super().__init__()
        self.by_count = by_count
        self.positions: Tensor
        self.register_buffer("positions", torch.zeros(0), persistent=False)

    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        size = len(maps) if self.by_count else maps.shape[-1]
        if len(self.positions) != size:
            self.positions = torch.linspace(1, 1 if self.by_count else 2, size)
        kept = self.positions.view(-1, 1, 1, 1) if self.by_count else self.positions
        return super().head(maps * kept, x)


def repeat(image: Tensor, count: int) -> Stream:
    return Stream(count, lambda start, stop: image.expand(stop - start, -1, -1, -1))


@pytest.mark.parametrize("by_count", [False, True])
def test_a_buffer_that_a_net_keeps_for_its_images_is_no_weight(by_count: bool) -> None:
    net = load_net(partial(KeepsABuffer, by_count=by_count))
    for size in (48, 64, 48):
        net.prepare(IMAGES[size])
        with torch.inference_mode():
            net(IMAGES[size])
        state, sums = net.protected_state(), net.sum_weights()
        net(IMAGES[size][:1])
        net.scores(repeat(IMAGES[size][:1], 5))
        assert net.protected_state() == state and net.sum_weights() == sums


def test_a_net_can_be_loaded_in_inference_mode() -> None:
    with torch.inference_mode():
        module = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
        )
        net = load.load_module(module.eval(), preprocess="none", layer="1", precision="fp32")
        net.prepare(IMAGES[64])
        assert net.protected_state() == net.protected_state()


class GateWithoutGradients(Base):
    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        with torch.no_grad():
            gate = self.gate(maps.mean((2, 3))).sigmoid() * 4
        return super().head(maps * gate[:, :, None, None], x)


class StraightThrough(Base):
    """Rounds activations, and passes gradients on as if it did not."""

    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        return super().head(maps + ((4 * maps).round() / 4 - maps).detach(), x)


class Doubled(torch.autograd.Function):
    """Passes values on, and twice the gradients of negative ones."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        context.save_for_backward(values)
        return values.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (values,) = context.saved_tensors
        return gradients[0] * torch.where(values < 0, 2.0, 1.0)


class OwnBackward(Base):
    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        return super().head(Doubled.apply(maps) * 1.0 + 0.2, x)


class BackwardHook(Base):
    def __init__(self) -> None:
        super().__init__()
        self.gate.register_full_backward_hook(lambda _, inputs, __: (inputs[0].relu(),))

    def head(self, maps: Tensor, x: Tensor) -> Tensor:
        mixed: Tensor = self.gate(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return super().head(mixed, x)


def compute_weights(module: Base, images: Tensor, target: int) -> Tensor:
    """Grad-CAM's weights (n, k) by autograd, from the module's own pass."""
    found: list[Tensor] = []
    module.conv.register_forward_hook(lambda _, __, output: found.append(output))
    logits = module(images)
    (gradient,) = torch.autograd.grad(logits[:, target].sum(), found)
    return gradient.mean((2, 3))


@pytest.mark.filterwarnings("ignore:.*OverwritingProxy")
@pytest.mark.parametrize("kind", [Base, GateWithoutGradients, StraightThrough, OwnBackward, BackwardHook])
def test_the_gradients_are_the_modules_own(kind: Callable[[], Base]) -> None:
    images = IMAGES[64]
    weights = compute_weights(make(kind), images, 2)
    net = load_net(kind)
    net.prepare(images)
    activations = net.features(images)
    expected = (weights[:, :, None, None] * activations).sum(1).relu()
    assert expected.max() > 0
    assert torch.allclose(grad_cam.explain(net, images, torch.tensor([2, 2])), expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_net_with_weight_norm_is_copied() -> None:
    module = make(Base)
    torch.nn.utils.weight_norm(module.conv)
    assert not module.conv.weight.is_leaf
    net = load.load_module(module, preprocess="none", layer="conv", precision="fp32")
    assert torch.allclose(net(IMAGES[64]), module(IMAGES[64]), atol=1e-6)
