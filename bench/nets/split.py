"""Splits a net at the explained layer: any classifier becomes a sequence of modules with one cut (see cut.py).

All decisions are made on two random images, and the two halves must reproduce the net's own scores on them.
"""

import contextlib
import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import dropwhile, islice, product

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..core.choices import Link
from ..core.errors import NotApplicable, PluginError, UsageError, read_message
from ..core.user_code import blame_user_code
from ..forward.device import use_exact_arithmetic
from ..forward.layout import needs_usual_layout
from . import layers, outputs, readings
from .axes import MAP, Order, arrange, describe_order, find_orders
from .class_maps import TOLERANCE, build_class_maps
from .cut import Cut
from .fx_split import DEVICE_ERRORS, UNTRACEABLE, ModuleSequence, trace_sequence
from .hook_split import remove_gate, split_by_hooks
from .preprocessing import Preprocess
from .readings import NO_SETTINGS, OutputSettings
from .writes import find_writes

SIZES = (224, 32, 28, 64, 96, 128, 160, 192, 256, 288, 299, 320, 331, 380, 384, 448, 512)  # pixels, tried in this order
KNOWN_SIZE = 128  # pixels: of the probe if the layer is known; smaller is faster
CHANNELS = (3, 1)  # of a net's input, tried in this order at each size; one is the luminance
CONTRASTS = (1.0, 0.4)  # of the images of a batch, so that a stretch over the batch differs from one over each image
INDEPENDENCE = 1e-3  # of the spread of the scores: the most that the other images of a batch may change a score by
ROUNDING = 1e-5  # of the largest score
DTYPE = re.compile(r"dtype|scalar type|Input type|DoubleTensor")  # in torch's errors on tensors of two types
INVERSE, AFTER_LAYER, TWO_CLASSES = (
    "to_logits()",
    "rest()",
    "two_classes()",
)  # keys of modules that are not the net's own


@dataclass(frozen=True)
class Probe:
    """A net and its scores of two random images, on which all decisions are made."""

    scorer: outputs.ScoresOnly
    preprocess: nn.Module
    channels: int  # of the net's input: 3, or 1 for the luminance
    images: Tensor  # (2, 3, h, w) in [0, 1]
    scores: Tensor  # (2, classes), as the net returns them
    reading: readings.Reading
    fixed_size: int | None  # pixels: the only image side that the net takes; None if it takes any

    def agrees(self, logits: Tensor) -> bool:
        """Tell whether these are the net's logits; if it returns probabilities of a softmax, up to a constant of each image."""
        return self.reading.agrees(logits, self.scores, TOLERANCE)

    @property
    def returns_logits_alone(self) -> bool:
        """Whether the net returns the logits (n, classes) of a softmax, and nothing else."""
        is_plain = self.reading.is_logits and self.reading.link_of_classes == "softmax" and not self.reading.is_single
        return is_plain and self.scorer.key is None and self.scorer.classes is None

    def run(self, modules: list[nn.Module]) -> Tensor:
        """Return the output of modules, run one after the other on the preprocessed images."""
        result: Tensor = nn.Sequential(*modules)(self.preprocess(self.images))
        return result


@dataclass(frozen=True)
class SplitNet:
    """A net cut at the explained layer, and what was decided about it."""

    cut: Cut
    class_count: int
    link: Link  # from logits to probabilities
    output: outputs.ScoreLocation  # that holds the class scores; None if the net returns them alone
    fixed_size: int | None  # pixels; None if the net takes images of any size
    probe_size: int  # pixels: side of images that the net takes
    notes: tuple[str, ...]  # the decisions, one sentence each
    reading: str  # those on which the values of gradients and maps depend; empty for most nets


@dataclass(frozen=True)
class Line:
    """A net as a sequence of modules, preprocessing first, between which maps are (n, k, h, w)."""

    sequence: ModuleSequence
    orders: dict[str, Order]  # of the axes of each module's own output that is a map


@dataclass(frozen=True)
class LayerCut:
    """A net cut at a layer, and what the layer outputs."""

    cut: Cut
    order: Order  # of the axes of the layer's own output
    grid: tuple[int, int]  # height and width of the map of the probe's images


@torch.no_grad()
@use_exact_arithmetic()
def split_net(
    module: nn.Module,
    preprocess: Preprocess,
    layer: str | None,
    usual: str | None = None,
    settings: OutputSettings = NO_SETTINGS,
) -> SplitNet:
    """Cut a frozen net in eval mode at `layer`, else at the architecture's usual one, else at one proposed by a rule.

    Raise PluginError for a module that does not classify images, UsageError for a layer at which it cannot be cut, and for an
    output or a reading of class scores that does not fit it.
    """
    probe = _probe(module, preprocess, KNOWN_SIZE if usual else SIZES[0], settings)
    line = _find_line(probe)
    if layer is not None and layer not in dict(module.named_modules()):
        raise UsageError(f"there is no layer {layer!r}: {_suggest_layers(probe, line, layer)}")
    chosen = layer or usual
    found = _cut_at(probe, line, chosen) if chosen else _choose_cut(probe, line)
    notes = [] if chosen else [_describe_choice(probe, found)]
    notes += _list_notes(probe, found)
    reason = _find_library_fault(probe, found)
    usual_layout = needs_usual_layout(probe.scorer, probe.preprocess(probe.images))
    writes = find_writes(found.cut.modules, probe.images)
    original = None if reason else module
    cut = replace(found.cut, original=original, why_no_original=reason, usual_layout=usual_layout, writes=writes)
    classes, link = max(2, probe.scores.shape[1]), probe.reading.link_of_classes
    size, reading = probe.images.shape[3], _describe_reading(probe, found)
    return SplitNet(cut, classes, link, probe.scorer.key, probe.fixed_size, size, tuple(notes), reading)


def _probe(module: nn.Module, preprocess: Preprocess, first_size: int, settings: OutputSettings) -> Probe:
    """Run the net on random images of the first size that it takes, in colour, else grey. Raise UsageError if it takes none."""
    device = next(module.parameters(), torch.empty(0)).device
    first_error = ""
    for size, channels in product((first_size, *SIZES), CHANNELS):
        prepare = preprocess.build(channels).to(device)
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
        error = _find_run_error(module, prepare(images))
        if not error:
            is_fixed = bool(_find_run_error(module, prepare(pad(images, (0, 32, 0, 32)))))
            scorer, scores = _find_repeatable_scores(module, prepare(images), settings)
            _check_independence(scorer, prepare(images * images.new_tensor(CONTRASTS).view(2, 1, 1, 1)))
            reading = readings.identify(scorer, prepare(images), scores, settings.scores)
            return Probe(scorer, prepare, channels, images, scores, reading, size if is_fixed else None)
        first_error = first_error or error
    remedy = "; its weights are made float32, so it must not convert its input" if DTYPE.search(first_error) else ""
    raise UsageError(
        f"the net cannot be run on images of {first_size} x {first_size}, in colour or grey: {first_error}{remedy}"
    )


def _find_repeatable_scores(
    module: nn.Module, inputs: Tensor, settings: OutputSettings
) -> tuple[outputs.ScoresOnly, Tensor]:
    """Return the net reduced to its class scores, and these. Raise PluginError if a second run gives others."""
    if error := _find_run_error(module, inputs[:1]):
        raise PluginError(f"the net cannot be run on a single image: {error}")
    scorer, scores = outputs.wrap_scores(module, inputs, settings.output, settings.class_count)
    repeated = scorer(inputs.clone())
    same_size = repeated.shape == scores.shape
    if not (same_size and torch.allclose(scores, repeated, rtol=TOLERANCE, atol=TOLERANCE)):
        raise PluginError(
            "the net returns different class scores for the same images: make it deterministic in eval mode"
        )
    return scorer, scores


def _check_independence(scorer: nn.Module, inputs: Tensor) -> None:
    """Raise PluginError if an image's scores depend on the others of its batch, or on how float32 is rounded.

    Also if they are not finite: images of another contrast may give such scores where the others do not.
    """
    if _is_independent(scorer, inputs):
        return
    with contextlib.suppress(*UNTRACEABLE):  # of a net that computes in float32 alone
        if _is_independent(copy.deepcopy(scorer).cpu().double(), inputs.cpu().double()):
            raise PluginError(
                "the net's class scores are not reliable: rounding in float32 changes them by more than 0.1 %, so its "
                "weights, or the running averages of its batch norms, may be damaged"
            )
    raise PluginError(
        "the net's class scores of an image depend on the other images of the batch, so they would depend on the batch "
        "size: give batch norms running averages (track_running_stats=True), and normalise each image by itself"
    )


def _is_independent(scorer: nn.Module, inputs: Tensor) -> bool:
    """Tell whether an image's scores are the same alone and in a batch. Raise PluginError if they are not finite."""
    scores = scorer(inputs.clone())
    if not scores.isfinite().all():
        raise PluginError(outputs.NOT_FINITE)
    alone = torch.cat([scorer(inputs[number : number + 1].clone()) for number in range(len(inputs))])
    spread, largest = float(scores.max() - scores.min()), float(scores.abs().max())
    return torch.allclose(scores, alone, rtol=0, atol=max(INDEPENDENCE * spread, ROUNDING * largest))


def _find_run_error(module: nn.Module, inputs: Tensor) -> str:
    """Return the error that the net raises on its input, or what is wrong with its number of rows; empty if it runs."""
    fault: RuntimeError | None = None
    with blame_user_code("the net fails", ""):
        try:
            output = module(inputs.clone())
        except DEVICE_ERRORS as error:
            fault = error
        except UNTRACEABLE as error:
            return f"{type(error).__name__}: {read_message(error)}"[:200]
    if fault:  # not the net's
        raise fault
    if isinstance(output, Tensor) and output.dim() > 1 and len(output) != len(inputs):
        return f"it returns {tuple(output.shape)} for {len(inputs)} images"
    return ""


def _find_line(probe: Probe) -> Line | None:
    """Return the traced net as a line that gives logits; None if it cannot be traced, or has other scores or gradients."""
    traced = trace_sequence(probe.scorer)
    if traced is None or not _has_same_gradients(probe, nn.Sequential(*traced.modules.values())):
        return None
    modules = dict(traced.modules)
    if not probe.reading.is_logits:
        *all_but_last, _ = modules.values()
        if all_but_last and probe.agrees(probe.run(all_but_last)):  # the last is the softmax, or the sigmoid
            modules.popitem()
        elif inverse := probe.reading.make_inverse():
            modules[INVERSE] = inverse
    if not probe.agrees(probe.run(list(modules.values()))):
        return None
    aliases = {name: key for name, key in traced.aliases.items() if key in modules}
    modules = {"": probe.preprocess} | modules
    orders = find_orders(modules, probe.images)
    return Line(ModuleSequence(arrange(modules, orders), aliases, traced.next_key), orders)


def _has_same_gradients(probe: Probe, traced: nn.Module) -> bool:
    """Tell whether a traced net has the net's own gradients: it lacks backward hooks, and parts without gradients, for example.

    Where the net has none at all, because it overwrites values that they depend on or runs without, the trace's are as good.
    """
    inputs = probe.preprocess(probe.images[:1])
    own, other = (_compute_input_gradient(module, inputs) for module in (probe.scorer, traced))
    if own is None or other is None:
        return own is None
    return torch.allclose(own, other, rtol=0, atol=TOLERANCE * float(own.abs().max()))


def _compute_input_gradient(module: nn.Module, inputs: Tensor) -> Tensor | None:
    """Return the gradient of the largest score of an input (1, channels, h, w); None if there is none."""
    leaf = inputs.clone().requires_grad_()
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(module(leaf.clone()).max(), leaf, allow_unused=True)
    except DEVICE_ERRORS:
        raise
    except UNTRACEABLE:
        return None
    return gradient


def _choose_cut(probe: Probe, line: Line | None) -> LayerCut:
    """Return the net cut at the last layer that allows it. Raise UsageError if none does."""
    reasons = []
    for layer in layers.propose_layers(probe.scorer.net, probe.preprocess(probe.images)):
        result = _try_cut(probe, line, layer)
        if isinstance(result, LayerCut):
            return result
        reasons.append(f" (not at {layer}, for example: {result})")
    raise UsageError(
        f"the net cannot be explained: no layer at which it can be cut outputs a map (k, h, w){''.join(reasons[:1])}"
    )


def _cut_at(probe: Probe, line: Line | None, layer: str) -> LayerCut:
    """Return the net cut at a layer. Raise UsageError with the reason if it cannot be."""
    result = _try_cut(probe, line, layer)
    if isinstance(result, str):
        tokens = layers.find_tokens(probe.scorer.net, probe.preprocess(probe.images), layer)
        raise UsageError(f"the net cannot be cut at {layer}: {f'it outputs {tokens}' if tokens else result}")
    return result


def _suggest_layers(probe: Probe, line: Line | None, word: str) -> str:
    """Return the last part of a message about a layer that does not exist: the nearest ones that can be explained."""
    names = layers.list_map_layers(probe.scorer.net, probe.preprocess(probe.images))
    candidates = dict.fromkeys((*layers.find_similar_names(word, names), *reversed(names)))
    close = list(islice((name for name in candidates if _can_cut(probe, line, name)), layers.SUGGESTIONS))
    return f"the nearest are {', '.join(close)}" if close else "no layer of it outputs a map at which it can be cut"


def _can_cut(probe: Probe, line: Line | None, layer: str) -> bool:
    result = _try_cut(probe, line, layer)
    if isinstance(result, LayerCut) and line is None:
        remove_gate(probe.scorer, layer)
    return isinstance(result, LayerCut)


def _try_cut(probe: Probe, line: Line | None, layer: str) -> LayerCut | str:
    """Return the net cut at a layer, or the reason why it cannot be; then the net is left as it was."""
    if line is not None:
        return _cut_line(probe, line, layer)
    result = _cut_by_hooks(probe, layer)
    if isinstance(result, str):
        remove_gate(probe.scorer, layer)
    return result


def _cut_line(probe: Probe, line: Line, layer: str) -> LayerCut | str:
    """Return the line cut at a layer, or the reason why it cannot be."""
    sequence = line.sequence
    if layer in sequence.next_key:
        later = _find_later_map(line, sequence.next_key[layer])
        return "a parallel branch also reaches the layers after it" + (f"; cut at {later} instead" if later else "")
    if layer not in sequence.aliases:
        return "it is not run by itself, or outputs the class scores"
    key = sequence.aliases[layer]
    end = list(sequence.modules).index(key) + 1
    activations = nn.Sequential(*list(sequence.modules.values())[:end])(probe.images)
    modules = sequence.modules | _make_two_classes(probe)
    cut = Cut(modules, layer, aliases=sequence.aliases, maps=frozenset(line.orders))
    return _finish_cut(cut, end, activations, line.orders.get(key))


def _find_later_map(line: Line, start: str) -> str | None:
    """Return the first layer from a key of the line on that outputs a map; None if there is none."""
    names = dropwhile(lambda key: key != start, line.sequence.modules)
    return next((name for name in names if name in line.orders and name in line.sequence.aliases), None)


def _cut_by_hooks(probe: Probe, layer: str) -> LayerCut | str:
    """Return the net split at a layer by hooks, or the reason why the two halves do not reproduce the net."""
    try:
        up_to_layer, after_layer = split_by_hooks(probe.scorer, layer, probe.preprocess(probe.images))
        until: dict[str, nn.Module] = {"": probe.preprocess, layer: up_to_layer}
        orders = find_orders(until, probe.images)
        modules = arrange(until | {AFTER_LAYER: after_layer}, orders)
        modules |= {INVERSE: inverse} if (inverse := probe.reading.make_inverse()) else {}
        first, second, *rest = modules.values()
        activations = second(first(probe.images))
        if not probe.agrees(nn.Sequential(*rest)(activations)):
            return "the layers after it use more than its output"
    except DEVICE_ERRORS:
        raise
    except UNTRACEABLE as error:
        return str(error)
    modules |= _make_two_classes(probe)
    whole = nn.Sequential(probe.preprocess, probe.scorer, *list(modules.values())[3:])
    cut = Cut(modules, layer, maps=frozenset(orders), whole=whole)
    return _finish_cut(cut, 2, activations, orders.get(layer))


def _make_two_classes(probe: Probe) -> dict[str, nn.Module]:
    """Make the last module of a net that returns one score an image; none of any other net."""
    return {TWO_CLASSES: readings.TwoClasses()} if probe.reading.is_single else {}


def _finish_cut(cut: Cut, end: int, activations: Tensor, order: Order | None) -> LayerCut | str:
    """Return a cut with its class maps or the reason for their absence; a reason instead if the layer outputs no map.

    `end` is the number of modules up to the layer, `activations` the layer's output as a map, whose axes had this order.
    """
    if not isinstance(activations, Tensor) or activations.dim() != 4:
        shape = tuple(activations.shape[1:]) if isinstance(activations, Tensor) else type(activations).__name__
        return f"it outputs {shape} for an image, not a map (k, h, w)"
    if order is None:
        shape = tuple(activations.shape[1:])
        return f"it outputs {shape} for an image, and which axes are the image's height and width cannot be told"
    rest = dict(list(cut.modules.items())[end:])
    try:
        cut = replace(cut, class_map_module=build_class_maps(rest, activations, cut.layer))
    except NotApplicable as reason:
        cut = replace(cut, why_no_class_maps=str(reason))
    return LayerCut(cut, order, (activations.shape[2], activations.shape[3]))


def _find_library_fault(probe: Probe, found: LayerCut) -> str:
    """Return what a library would do wrong with the net before it was cut; empty if nothing."""
    if not probe.returns_logits_alone:
        return "would explain another output, as it does not return the logits of a softmax alone: choose another net"
    if found.order != MAP:
        axes = describe_order(found.order)
        return f"would confuse the axes of {found.cut.layer}, which outputs {axes}: choose another layer"
    return ""


def _describe_reading(probe: Probe, found: LayerCut) -> str:
    """Describe in a few words how the layer and the class scores are read, if not as in most nets."""
    axes = f"axes {describe_order(found.order)}" if found.order != MAP else ""
    return "; ".join(filter(None, (axes, "logits [-s/2, s/2]" if probe.reading.is_single else "")))


def _describe_choice(probe: Probe, found: LayerCut) -> str:
    """Say at which layer the net is cut where nobody named one, and how fine its map is."""
    (height, width), size = found.grid, probe.images.shape[2]
    return (
        f"layer chosen automatically: {found.cut.layer} ({height} x {width} for images of {size} x {size}); "
        "change it with --layer"
    )


def _list_notes(probe: Probe, found: LayerCut) -> Iterator[str]:
    """Yield what the harness decided about the net, in sentences for the report."""
    cut = found.cut
    if found.order != MAP:
        yield f"layer {cut.layer} gives {describe_order(found.order)}: its axes are permuted to {describe_order(MAP)}"
    if AFTER_LAYER in cut.modules:
        yield (
            "it runs twice for each image, as torch.fx cannot trace it: its computation depends on its input's values, it "
            "overwrites values through views, or its gradients are not those of its operations"
        )
    if probe.scorer.key is not None:
        yield f"its class scores are its output {probe.scorer.key!r}"
    yield from readings.describe(
        probe.reading, is_removed=INVERSE not in cut.modules and AFTER_LAYER not in cut.modules
    )
    if probe.channels == 1:
        yield "it takes grey images: its input is the luminance"
    if probe.fixed_size:
        yield f"it takes images of {probe.fixed_size} x {probe.fixed_size} only"
