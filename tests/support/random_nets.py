"""Random small nets, built from a seeded grammar: an input, a stem, blocks, a head, and what is made of the class scores."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from . import zoo
from .plain_torch import LUMINANCE, PlainNet, Transform, halves, keep, of_two
from .zoo import CLASSES, Apply, Head

WIDTH = 8  # channels between blocks
SIZE = 48  # pixels: side of the images
Choices = Sequence[Any]


@dataclass(frozen=True)
class Part:
    """An alternative of the grammar: what it makes, and what is known of a net that has it."""

    name: str
    make: Callable[..., Any]
    refused: str = ""  # by a sentence that has these words
    traced: bool = True  # whether torch.fx can record it
    gradients: bool = True
    axes: str = "nkhw"  # of layers after it
    channels: int = 3  # of its output, for parts that change the input
    layers: dict[str, str] = field(default_factory=dict)  # the axes of layers inside it, if they have others


class RandomNet(nn.Module):
    """A net of the grammar. Its parts are registered in another order than they run in."""

    def __init__(self, parts: dict[str, nn.Module], order: list[str], first: Transform, last: Transform) -> None:
        super().__init__()
        for name in order:
            setattr(self, name, parts[name])
        self.names, self.first, self.last = list(parts), first, last

    def forward(self, images: Tensor) -> Any:
        value = self.first(images)
        for name in self.names:
            value = getattr(self, name)(value)
        return self.last(value)


@dataclass(frozen=True)
class Case:
    """A random net and what is known of it."""

    parts: dict[str, Part]
    plain: PlainNet
    settings: dict[str, Any]

    @property
    def refused(self) -> str:
        """The words of a sentence that refuses it; empty if it is to be explained."""
        return "|".join(part.refused for part in self.parts.values() if part.refused)

    @property
    def gradients(self) -> bool:
        return all(part.gradients for part in self.parts.values())

    def describe(self) -> str:
        return ", ".join(f"{place}: {part.name}" for place, part in self.parts.items())


def grey(images: Tensor) -> Tensor:
    return torch.einsum("nkhw,k->nhw", images, torch.tensor(LUMINANCE))[:, None]


FIRSTS = [
    *[Part("images", lambda: keep)] * 8,
    Part("written to", lambda: zoo.subtract_in_place, traced=False),
    Part("stretched", lambda: zoo.stretch_each),
    Part("mirrored", lambda: lambda x: x.flip(3)),
    Part("turned by the diagonal", lambda: lambda x: x.transpose(2, 3), axes="nkwh"),
    Part("space to depth", lambda: lambda x: F.pixel_unshuffle(x, 2), channels=12),
    Part("luminance beside colours", lambda: lambda x: torch.cat([x.mean(1, keepdim=True), x], 1), channels=4),
    Part("grey", lambda: keep, channels=1),
    Part("resized", lambda: lambda x: F.interpolate(x, (40, 40), mode="bilinear")),
    Part("channels last and back", lambda: lambda x: x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)),
]  # fmt: skip

NORMS: list[Callable[[], nn.Module]] = [
    lambda: nn.BatchNorm2d(WIDTH), lambda: nn.GroupNorm(2, WIDTH), lambda: nn.InstanceNorm2d(WIDTH, affine=True), nn.Identity,
    lambda: nn.LocalResponseNorm(3), lambda: nn.GroupNorm(1, WIDTH),
]  # fmt: skip
ACTIVATIONS: list[Callable[[], nn.Module]] = [
    nn.ReLU, partial(nn.ReLU, inplace=True), nn.GELU, partial(nn.SiLU, inplace=True), partial(nn.Hardswish, inplace=True),
    nn.Tanh, partial(nn.LeakyReLU, 0.1, inplace=True), nn.PReLU,
]  # fmt: skip


def layer(draw: random.Random, channels: int = WIDTH, **settings: Any) -> nn.Sequential:
    """A convolution, a norm and an activation, in this order or with the convolution last."""
    settings = {"kernel_size": 3, "padding": 1} | settings
    parts = [draw.choice(NORMS)(), draw.choice(ACTIVATIONS)()]
    body = nn.Conv2d(channels, WIDTH, **settings)
    return nn.Sequential(*parts, body) if draw.random() < 0.2 and channels == WIDTH else nn.Sequential(body, *parts)


STEMS = [
    Part("patches", lambda draw, channels: layer(draw, channels, kernel_size=4, stride=4, padding=0)),
    Part(
        "two convolutions", lambda draw, channels: nn.Sequential(layer(draw, channels, stride=2), layer(draw, stride=2))
    ),
    Part("pooled", lambda draw, channels: nn.Sequential(layer(draw, channels, stride=2), nn.MaxPool2d(3, 2, 1))),
]


def write_to_view(maps: Tensor, body: nn.Module) -> Tensor:
    """Add to the first channels, through a view."""
    maps = body(maps)
    maps[:, : WIDTH // 2].mul_(2)
    return maps


def write_where(maps: Tensor, body: nn.Module) -> Tensor:
    """Set values by a mask."""
    maps = body(maps)
    maps[maps < -0.1] = -0.1
    return maps


def split_and_join(maps: Tensor, body: nn.Module) -> Tensor:
    first, second = body(maps).chunk(2, 1)
    return torch.cat([first * second.sigmoid(), second], 1)


def flatten_and_back(maps: Tensor, body: nn.Module) -> Tensor:
    result: Tensor = body(maps).flatten(2).view_as(maps)
    return result


def attend(maps: Tensor, body: nn.Module) -> Tensor:
    """Mix places by the products of their channels."""
    tokens = body(maps).flatten(2)
    weights = (tokens.transpose(1, 2) @ tokens / WIDTH**0.5).softmax(1)
    return maps + (tokens @ weights).view_as(maps)


def apply(function: Callable[..., Tensor], *makers: Callable[[random.Random], nn.Module]) -> Callable[..., nn.Module]:
    return lambda draw: Apply(function, *(make(draw) for make in makers))


BLOCKS = [
    Part("convolution", layer), Part("convolution", layer),
    Part("strided", partial(layer, stride=2)),
    Part("dilated", partial(layer, dilation=2, padding=2)),
    Part("depthwise", partial(layer, groups=WIDTH)),
    Part("even kernel", partial(layer, kernel_size=2, padding=0)),
    Part("larger", lambda _: nn.ConvTranspose2d(WIDTH, WIDTH, 2, 2)),
    Part("pooled", lambda draw: draw.choice([nn.MaxPool2d(2), nn.AvgPool2d(2), nn.MaxPool2d(3, 1, 1)])),
    Part("dropout", lambda draw: draw.choice([nn.Dropout(), nn.Dropout2d(), nn.Sequential(layer(draw), nn.Dropout())])),
    Part("residual, overwritten", lambda _: zoo.Overwritten()),
    Part("residual", apply(lambda m, a: m + a(m), layer)),
    Part("branches", apply(lambda m, a, b: a(m) + b(m) * 0.5, layer, layer)),
    Part("channels weighted", lambda _: zoo.Squeeze()),
    Part("places weighted", apply(zoo.attend_places, lambda _: nn.Conv2d(2, 1, 3, padding=1))),
    Part("shuffled", apply(zoo.shuffle, layer)),
    Part("gated", apply(split_and_join, layer)),
    Part("views", apply(flatten_and_back, layer)),
    Part("written to a view", apply(write_to_view, layer), traced=False),
    Part("written where", apply(write_where, layer), traced=False),
    Part("places mixed", apply(attend, layer)),
    Part("rolled", apply(lambda m, a: a(m.roll((1, 1), (2, 3))), layer)),
    Part("U-Net", apply(zoo.upsample_and_skip, partial(layer, stride=2), lambda _: zoo.conv(2 * WIDTH, WIDTH))),
    Part("run three times", lambda _: zoo.Recurrent()),
    Part("Fourier", apply(zoo.filter_frequencies, lambda _: nn.Conv2d(WIDTH, WIDTH, 1))),
    Part("two experts", apply(zoo.mix_experts, lambda _: nn.Linear(WIDTH, 2), layer, layer)),
    Part("one expert", apply(zoo.route, lambda _: nn.Linear(WIDTH, 2), layer, layer), traced=False),
    Part("by values", apply(zoo.exit_early, layer), traced=False),
    Part("checkpointed", lambda _: zoo.Checkpointed()),
    Part("places last and back", lambda _: zoo.Places(turn_back=True), layers={"mlp": "nhwk"}),
    Part("norm of the batch", lambda _: nn.BatchNorm2d(WIDTH, track_running_stats=False), refused="other images of the batch"),
    Part("dropped always", apply(lambda m: F.dropout(m, 0.5, True)), refused="different class scores"),
]  # fmt: skip


def pool_last(maps: Tensor) -> Tensor:
    return maps.mean((1, 2))


def deep(draw: random.Random, classes: int) -> nn.Module:
    hidden = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * WIDTH, 6), draw.choice(ACTIVATIONS)())
    return nn.Sequential(*hidden, nn.Dropout(), Head(6, keep, classes))


def class_maps(_: random.Random, classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(WIDTH, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def pooling(pool: Transform, width: int = WIDTH) -> Callable[[random.Random, int], nn.Module]:
    return lambda _, classes: Head(width, pool, classes)


HEADS = [
    *[Part("mean", pooling(lambda m: m.mean((2, 3))))] * 3,
    Part("maximum", pooling(lambda m: m.amax((2, 3)))),
    Part("module", pooling(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))),
    Part("generalised mean", pooling(zoo.pool_power)),
    Part("attention", pooling(zoo.pool_by_attention)),
    Part("products", pooling(zoo.pool_pairs, WIDTH**2)),
    Part("two layers", deep),
    Part("class maps", class_maps),
    Part("places last", lambda _, classes: nn.Sequential(zoo.Places(turn_back=False), Head(WIDTH, pool_last, classes)),
         layers={"0": "nhwk"}),
    Part("detached", pooling(lambda m: m.detach().mean((2, 3))), gradients=False),
    Part("columns", lambda _, classes: zoo.Columns(classes)),
]  # fmt: skip


@dataclass(frozen=True)
class Output(Part):
    """What a net returns of its class scores, and how that is read."""

    classes: int = CLASSES
    logits: Transform = keep
    removed: bool = False  # whether the last function is removed from a net that torch.fx can record
    probabilities: Transform | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def returns(function: Callable[[Tensor], Any]) -> Callable[[], Callable[[Tensor], Any]]:
    return lambda: function


SOFTMAX = {"probabilities": keep, "logits": torch.log}
SIGMOIDS = {"probabilities": keep, "logits": torch.logit}
OUTPUTS = [
    *[Output("logits", returns(keep))] * 6,
    Output("softmax", returns(lambda s: s.softmax(1)), removed=True, **SOFTMAX),
    Output("softmax that stays", returns(lambda s: s.softmax(1) + 0), **SOFTMAX),
    Output("log-softmax", returns(lambda s: F.log_softmax(s, 1)), removed=True, probabilities=torch.exp),
    Output("sigmoids", returns(torch.sigmoid), removed=True, **SIGMOIDS),
    Output("sigmoids that overwrite", returns(torch.sigmoid_), removed=True, **SIGMOIDS),
    Output("told sigmoids", returns(keep), probabilities=torch.sigmoid, settings={"scores": "sigmoid"}),
    Output("one logit", returns(keep), classes=1, logits=halves, probabilities=lambda s: of_two(s.sigmoid())),
    Output("one squeezed", returns(torch.squeeze), classes=1, logits=halves, probabilities=lambda s: of_two(s.sigmoid())),
    Output("one probability", returns(torch.sigmoid), classes=1, logits=lambda p: halves(p.logit()), probabilities=of_two),
    Output("a temperature", returns(lambda s: s.div_(2))),
    Output("four axes", returns(lambda s: s[:, :, None, None]), logits=lambda s: s[:, :, 0, 0]),
    Output("a dictionary", returns(lambda s: {"features": s.repeat(1, 3), "logits": s}), logits=lambda r: r["logits"]),
    Output("second of two", returns(lambda s: (s.repeat(1, 3), s)), logits=lambda r: r[1], settings={"output": 1}),
    Output("two outputs", returns(lambda s: (s.repeat(1, 3), s)), refused="returns several outputs"),
    Output("whole numbers", returns(lambda s: s.argmax(1)), refused="class scores as torch.int64"),
    Output("centred", returns(lambda s: s - s.mean(0)), refused="other images of the batch"),
    Output("nothing", returns(lambda _: None), refused="without class scores"),
]  # fmt: skip


def build(seed: int) -> Case:
    """Build the net of a seed."""
    draw = random.Random(seed)
    first, stem, head = (draw.choice(parts) for parts in (FIRSTS, STEMS, HEADS))
    output: Output = draw.choice(OUTPUTS)
    blocks = [draw.choice(BLOCKS) for _ in range(draw.randint(1, 3))]
    parts = {
        "first": first,
        "stem": stem,
        **{f"block{number}": block for number, block in enumerate(blocks)},
        "head": head,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        modules = {"stem": stem.make(draw, first.channels)}
        modules |= {f"block{number}": block.make(draw) for number, block in enumerate(blocks)}
        modules["head"] = head.make(draw, output.classes)
        order = draw.sample(list(modules), len(modules))
        module = RandomNet(modules, order, first.make(), output.make()).eval()
    is_removed = output.removed and all(part.traced for part in parts.values())
    plain = PlainNet(
        module,
        output.logits,
        output.probabilities,
        "head" if is_removed else "",
        grey if first.channels == 1 else keep,
        partial(find_axes, first, parts),
    )
    return Case(parts | {"output": output}, plain, output.settings)


def find_axes(first: Part, parts: dict[str, Part], name: str) -> str:
    """Return the axes of a layer's output, by the parts that it is in."""
    place, _, inner = name.partition(".")
    known = {layer: axes for layer, axes in parts[place].layers.items() if f"{inner}.".startswith(f"{layer}.")}
    axes = next(iter(known.values()), "nkhw")
    return axes.translate(str.maketrans("hw", "wh")) if first.axes == "nkwh" else axes
