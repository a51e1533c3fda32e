"""Any classifier made a line with one cut: tried on an example, cut by its graph or by capturing, and checked by numbers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..core.errors import NotApplicable, UsageError
from . import layers, outputs
from .class_maps import TOLERANCE, class_maps
from .cut import Cut
from .fx_split import UNTRACEABLE, Line, lined
from .hook_split import captured, release
from .preprocessing import Preprocess, channels_of

SIZES = (224, 32, 28, 64, 96, 128, 160, 192, 256, 288, 299, 320, 331, 380, 384, 448, 512)  # tried in this order
KNOWN_SIZE = 128  # of the example where the layer is known: smaller is sooner
LEAST = 1e-6  # probability of which the logarithm tells the logit
LOG, CAPTURED = "log()", "rest()"  # parts of a line that are no module of the net


@dataclass(frozen=True)
class Example:
    """A net on two random images, on which all that is decided about it is decided."""

    whole: outputs.Whole
    before: nn.Module
    images: Tensor  # (2, 3, h, w) in [0, 1]
    scores: Tensor  # (2, classes), as the net gives them
    kind: outputs.Kind
    fixed: int | None  # the side of the images that it takes, where it takes no others

    def agrees(self, logits: Tensor) -> bool:
        """Whether these are its logits; of a net that gives probabilities, logits are known up to a constant."""
        if self.kind != "logits":
            logs = self.scores if self.kind == "log-probabilities" else self.scores.clamp(min=LEAST).log()
            told = logs > math.log(10 * LEAST)
            spread = logs[told].max() - logs[told].min()
            return bool((logits.log_softmax(1) - logs)[told].abs().max() <= TOLERANCE * spread)
        return bool((logits - self.scores).abs().max() <= TOLERANCE * max(1.0, float(self.scores.abs().max())))


@dataclass(frozen=True)
class Found:
    """A net cut, and what was decided about it, in plain sentences."""

    cut: Cut
    classes: int
    fixed: int | None
    notes: tuple[str, ...]


@torch.no_grad()
def cut(net: nn.Module, preprocess: Preprocess, layer: str | None, usual: str | None = None) -> Found:
    """A frozen net in eval mode, cut at the layer asked for, at its architecture's usual one, or at one found by rule.

    Raises UsageError for what is no classifier of images, and for a layer at which it cannot be cut.
    """
    if layer is not None and layer not in dict(net.named_modules()):
        raise UsageError(
            f"there is no layer {layer!r}: {layers.near(layer, [name for name, _ in net.named_modules() if name])}"
        )
    example = _example(net, preprocess.of(channels_of(net)), KNOWN_SIZE if usual else SIZES[0])
    asked = layer or usual
    proposed = [asked] if asked else layers.proposed(example.whole.net, example.before(example.images))
    found = next(_cuts(example, proposed, asked), None)
    if found is None:
        raise UsageError(
            "no layer of the net gives a map (n, k, h, w) at which it can be cut, and CAM methods explain such a map"
        )
    how = [] if asked else [f"explained at {found.layer}: {layers.RULE}"]
    if CAPTURED in found.line:
        how.append("cut by running it twice, for what it does depends on its input's values: twice the work")
    if example.kind == "logits" and example.whole.place is None and example.whole.flat:
        found = replace(found, whole=net)
    return Found(found, example.scores.shape[1], example.fixed, (*how, *_said(example, found)))


def _example(net: nn.Module, before: nn.Module, first: int) -> Example:
    place = next(net.parameters(), torch.empty(0)).device
    before = before.to(place)
    problem = ""
    for size in (first, *SIZES):
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)).to(place)
        if not (now := _problem(net, before(images))):
            fixed = size if _problem(net, before(torch.nn.functional.pad(images, (0, 32, 0, 32)))) else None
            whole, scores = outputs.read(net, before(images))
            again = outputs.read(net, before(images))[1]
            if not torch.allclose(scores, again, rtol=TOLERANCE, atol=TOLERANCE):
                raise UsageError(
                    "the net gives other class scores when it is shown the same images again: make it repeatable"
                )
            return Example(whole, before, images, scores, outputs.kind(scores), fixed)
        problem = problem or now
    raise UsageError(f"the net cannot be run on images of {first} x {first}: {problem}")


def _problem(net: nn.Module, inputs: Tensor) -> str:
    """What a net raises on its input; empty where it runs."""
    try:
        net(inputs)
    except UNTRACEABLE as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]
    return ""


def _cuts(example: Example, names: list[str], asked: str | None) -> Iterator[Cut]:
    """The net cut at each of the layers where that can be done. Raises UsageError where one was asked for and it cannot."""
    line = _line(example)
    for name in names:
        made = _captured(example, name) if line is None else _traced(example, line, name)
        if isinstance(made, Cut):
            yield made
            continue
        if line is None:
            release(example.whole, name)
        if asked is not None:
            raise UsageError(f"the net cannot be cut at {name}: {made}")


def _line(example: Example) -> Line | None:
    """The net's graph as a line of logits; None where it cannot be traced, or where the graph is not the net."""
    line = lined(example.whole)
    if line is None:
        return None
    modules = dict(line.modules)
    if example.kind != "logits":
        *most, _ = modules.values()
        if most and example.agrees(_through(most, example)):  # the last is the softmax
            modules.popitem()
        elif example.kind == "probabilities":
            modules[LOG] = outputs.Log()
    names = {name: key for name, key in line.names.items() if key in modules}
    return Line(modules, names, line.inside) if example.agrees(_through(list(modules.values()), example)) else None


def _through(modules: list[nn.Module], example: Example) -> Tensor:
    logits: Tensor = nn.Sequential(*modules)(example.before(example.images))
    return logits


def _traced(example: Example, line: Line, layer: str) -> Cut | str:
    """The line cut at a layer, or why it cannot be."""
    if layer in line.inside:
        return (
            f"more than what it gives reaches the layers behind it (a branch beside it); {line.inside[layer]} would do"
        )
    if layer not in line.names:
        return "it is not run by itself, or gives the class scores"
    modules: dict[str, nn.Module] = {"": example.before} | line.modules
    place = list(modules).index(line.names[layer])
    activations = nn.Sequential(*list(modules.values())[: place + 1])(example.images)
    rest = dict(list(modules.items())[place + 1 :])
    return _mapped(modules, layer, line.names, rest, activations)


def _captured(example: Example, layer: str) -> Cut | str:
    """The net run up to a layer and with its output replaced, or why that is not the net."""
    try:
        until, behind = captured(example.whole, layer, example.before(example.images))
        activations = until(example.before(example.images))
        modules: dict[str, nn.Module] = {"": example.before, layer: until, CAPTURED: behind}
        modules |= {LOG: outputs.Log()} if example.kind == "probabilities" else {}
        rest = dict(list(modules.items())[2:])
        if not example.agrees(nn.Sequential(*rest.values())(activations)):
            return "more than what it gives reaches the layers behind it"
    except UNTRACEABLE as error:
        return str(error)
    return _mapped(modules, layer, {}, rest, activations)


def _mapped(
    line: dict[str, nn.Module], layer: str, names: dict[str, str], rest: dict[str, nn.Module], activations: Tensor
) -> Cut | str:
    if not isinstance(activations, Tensor) or activations.dim() != 4:
        shape = tuple(activations.shape[1:]) if isinstance(activations, Tensor) else type(activations).__name__
        return f"it gives {shape} for an image, and no map (k, h, w)"
    try:
        return Cut(line, layer, class_maps(rest, activations, layer), "", names)
    except NotApplicable as reason:
        return Cut(line, layer, None, str(reason), names)


def _said(example: Example, found: Cut) -> Iterator[str]:
    if example.whole.place is not None:
        yield f"its class scores are what it gives as {example.whole.place!r}"
    if example.kind != "logits":
        how = "log-probabilities serve as logits" if LOG not in found.line else "logits are their logarithms"
        cut_off = CAPTURED not in found.line and LOG not in found.line
        yield f"it gives {example.kind}: " + ("its last softmax is cut off" if cut_off else how)
    if channels_of(example.whole.net) == 1:
        yield "it takes grey images: it is shown the luminance"
    if example.fixed:
        yield f"it takes images of {example.fixed} x {example.fixed} alone"
