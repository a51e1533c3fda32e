"""Class scores, Grad-CAM and Score-CAM in plain torch, by hooks on a module of the user's own: none of cambench's code."""

import contextlib
import copy
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from cambench import NotApplicable, compute_maps
from cambench.bench.forward.forward import Stream
from cambench.bench.nets.net import Net

MEAN = (0.485, 0.456, 0.406)  # ImageNet's mean colour, which replaces what Score-CAM masks
LUMINANCE = (0.299, 0.587, 0.114)
TOLERANCE = 1e-4  # of the highest value of a map
ROUNDING = 1e-6  # of the sum of the absolute terms of a map, most of which may cancel
BATCH = 64
Transform = Callable[[Any], Tensor]


def keep(returned: Any) -> Any:
    return returned


@dataclass(frozen=True)
class PlainNet:
    """A module and how its outputs are to be read, as somebody says who knows the module."""

    module: nn.Module
    logits: Transform = keep  # (n, classes), of what the module returns
    probabilities: Transform | None = None  # (n, classes), of what the module returns; None: the softmax of the logits
    logits_at: str = (
        ""  # the layer that outputs the logits, if the module returns only what a last function makes of them
    )
    prepare: Transform = keep  # from images (n, 3, h, w) to the module's input
    axes: Callable[[str], str] = field(default=lambda _: "nkhw")  # of the output of a layer

    def compute_logits(self, images: Tensor) -> Tensor:
        return self.run(images, "")[1]

    @torch.no_grad()
    def compute_probabilities(self, images: Tensor) -> Tensor:
        """The classes' probabilities (n, classes), of images in batches."""
        parts = []
        for part in images.split(BATCH):
            returned = self.module(self.prepare(part.clone()))
            parts.append(self.probabilities(returned) if self.probabilities else self.logits(returned).softmax(1))
        return torch.cat(parts)

    def run(self, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
        """The output of a layer as it leaves the layer, before anything overwrites it, and the logits (n, classes)."""
        with record(self.module, layer) as outputs, record(self.module, self.logits_at) as last:
            returned = self.module(self.prepare(images.clone().requires_grad_()).clone())
        logits = last[-1] if self.logits_at else self.logits(returned)
        return outputs[-1] if layer else logits, logits

    def widen(self) -> "PlainNet":
        """The same net in float64."""
        return replace(self, module=copy.deepcopy(self.module).double())

    def compute_grad_cams(self, images: Tensor, layer: str) -> tuple[Tensor, Tensor]:
        """Grad-CAM (n, classes, h', w') of each class, and the sum of its absolute terms, of the same shape."""
        output, logits = self.run(images, layer)
        order = [self.axes(layer).index(axis) for axis in "nkhw"]
        maps, sizes = [], []
        for scores in logits.unbind(1):
            (gradients,) = torch.autograd.grad(scores.sum(), output, retain_graph=True)
            gradients, values = gradients.permute(order), output.permute(order)
            maps.append((gradients.mean((2, 3), keepdim=True) * values).sum(1).relu())
            sizes.append((gradients.abs().mean((2, 3), keepdim=True) * values.abs()).sum(1))
        return torch.stack(maps, 1).detach(), torch.stack(sizes, 1).detach()

    def compute_score_cam(self, image: Tensor, target: int, layer: str) -> tuple[Tensor, Tensor]:
        """Score-CAM (h', w') of an image (3, h, w), and the sum of its absolute terms, of the same shape."""
        order = [self.axes(layer).index(axis) for axis in "nkhw"]
        channels = self.run(image[None], layer)[0].detach().permute(order)[0]
        channels = channels[[bool(channel.max() > channel.min()) for channel in channels]]
        masks = interpolate(channels[:, None], image.shape[1:], mode="bilinear")
        low, high = masks.amin((1, 2, 3), keepdim=True), masks.amax((1, 2, 3), keepdim=True)
        masks = torch.where(high > low, (masks - low) / (high - low), 0)
        masked = masks * image + (1 - masks) * torch.tensor(MEAN).view(3, 1, 1)
        terms = self.compute_probabilities(masked)[:, target, None, None] * channels
        return terms.sum(0).relu(), terms.abs().sum(0)


@contextmanager
def record(module: nn.Module, layer: str) -> Any:
    """Record what a layer outputs each time that it runs. What runs next gets a copy, which it may overwrite."""
    outputs: list[Tensor] = []

    def hook(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        copied = output.float().clone()
        outputs.append(copied if copied.requires_grad or not torch.is_grad_enabled() else copied.requires_grad_())
        return outputs[-1].to(output.dtype, copy=True)

    handle = module.get_submodule(layer).register_forward_hook(hook) if layer else None
    try:
        yield outputs
    finally:
        if handle:
            handle.remove()


def find_axes(module: nn.Module, layer: str, images: Tensor) -> str:
    """Find the order of the axes of a layer's output, such as nhwk.

    The height is longer for a taller image. If the module takes one size only, it is found by the image's places that the
    halves of the output depend on.
    """
    with contextlib.suppress(RuntimeError, AssertionError, ValueError):
        return _find_axes_by_shape(module, layer, images)
    with record(module, layer) as outputs:
        inputs = images.clone().requires_grad_()
        module(inputs.clone())
    shifts = []
    for axis in (1, 2, 3):
        first, last = (_find_source(half, inputs) for half in outputs[-1].tensor_split(2, axis))
        shifts.append(last - first)
    down, right = torch.stack(shifts).argmax(0).tolist()
    assert down != right
    return "n" + "".join("h" if axis == down else "w" if axis == right else "k" for axis in range(3))


@torch.no_grad()
def _find_axes_by_shape(module: nn.Module, layer: str, images: Tensor) -> str:
    with record(module, layer) as outputs:
        for padding in ((0, 0, 0, 0), (0, 0, 0, 128), (0, 128, 0, 0)):
            module(pad(images, padding))
    usual, taller, wider = (output.shape for output in outputs)
    axes = ["h" if taller[axis] > side else "w" if wider[axis] > side else "k" for axis, side in enumerate(usual)]
    return "n" + "".join(axes[1:])


def _find_source(output: Tensor, inputs: Tensor) -> Tensor:
    """Find the place (y, x), from 0 to 1, around which the images change an output most."""
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(0))
    (gradients,) = torch.autograd.grad((output * weights).sum(), inputs, retain_graph=True)
    sizes = gradients.abs().sum((0, 1)).double()
    places = torch.linspace(0, 1, sizes.shape[0], dtype=torch.float64)
    return torch.stack([(sizes.sum(1) * places).sum(), (sizes.sum(0) * places).sum()]) / sizes.sum()


def check_net(
    net: Net, plain: PlainNet, images: Tensor, *, gradients: bool = True, tolerance: float = TOLERANCE
) -> None:
    """Raise AssertionError unless a net's scores, Grad-CAM and Score-CAM at its layer are those of plain torch.

    Each image is explained for the class whose Grad-CAM is highest. Without `gradients`, Grad-CAM must not apply. The
    `tolerance` is a share of the highest value.
    """
    check_scores(net, plain, images, tolerance)
    if gradients:
        targets = check_grad_cam(net, plain, images, tolerance)
    else:
        targets = plain.compute_probabilities(images).argmax(1)
        with pytest.raises(NotApplicable, match="the net passes no gradients on"):
            compute_maps("grad_cam", net, images, targets)
    found = compute_maps("score_cam", net, images, targets)
    for map_, image, target in zip(found, images, targets.tolist(), strict=True):
        assert_same(map_, *plain.compute_score_cam(image, target, net.layer), tolerance)


@torch.no_grad()
def check_scores(net: Net, plain: PlainNet, images: Tensor, tolerance: float = TOLERANCE) -> None:
    """Raise AssertionError unless a net's logits and probabilities are those of plain torch."""
    found = net.scores(Stream(len(images), lambda start, stop: images[start:stop])).float()
    torch.testing.assert_close(found, plain.compute_probabilities(images).float(), rtol=0, atol=tolerance)
    logits = plain.compute_logits(images)
    torch.testing.assert_close(net(images).float(), logits, rtol=0, atol=tolerance * float(logits.abs().max()))


def check_grad_cam(net: Net, plain: PlainNet, images: Tensor, tolerance: float = TOLERANCE) -> Tensor:
    """Raise AssertionError unless Grad-CAM is that of plain torch; return the classes (n,) for which it is highest."""
    maps, sizes = plain.compute_grad_cams(images, net.layer)
    targets = maps.amax((2, 3)).argmax(1)
    found = compute_maps("grad_cam", net, images, targets)
    for map_, number, target in zip(found, range(len(images)), targets.tolist(), strict=True):
        try:
            assert_same(map_, maps[number, target], sizes[number, target], tolerance)
        except AssertionError:
            # On some processors, torch's own gradients in float32 are off by some tenths of a per cent.
            exact, exact_sizes = plain.widen().compute_grad_cams(images.double(), net.layer)
            assert_same(map_, exact[number, target].float(), exact_sizes[number, target].float(), tolerance)
    return targets


def assert_same(found: Tensor, expected: Tensor, sizes: Tensor, tolerance: float = TOLERANCE) -> None:
    """Raise AssertionError unless a map is the expected one; `sizes` are the sums of its absolute terms."""
    assert found.shape == expected.shape
    slack = tolerance * float(expected.max()) + ROUNDING * float(sizes.max())
    torch.testing.assert_close(found, expected, rtol=0, atol=slack)


def halves(scores: Tensor) -> Tensor:
    """The logits of two classes of a net that returns one score an image."""
    s = scores.reshape(-1, 1)
    return torch.cat([-s / 2, s / 2], 1)


def of_two(probabilities: Tensor) -> Tensor:
    """The probabilities of two classes of a net that returns one probability an image."""
    p = probabilities.reshape(-1, 1)
    return torch.cat([1 - p, p], 1)
