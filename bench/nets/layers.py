"""Chooses the layer to explain: the usual one of a known architecture, else one proposed by a rule."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..core.errors import UsageError, find_close_names

USUAL_LAYERS = {  # torchvision's name of an architecture (a regular expression): the last map before pooling
    "alexnet": "features.11",
    "vgg11": "features.19",
    "vgg11_bn": "features.27",
    "vgg13": "features.23",
    "vgg13_bn": "features.33",
    "vgg16": "features.29",
    "vgg16_bn": "features.42",
    "vgg19": "features.35",
    "vgg19_bn": "features.51",
    r"squeezenet1_\d": "features.12",
    r"(wide_)?resnet.*|resnext.*": "layer4",
    "googlenet": "inception5b",
    "inception_v3": "Mixed_7c",
    "mobilenet_v2": "features.18",
    "mobilenet_v3_large": "features.16",
    "mobilenet_v3_small": "features.12",
    "densenet.*": "features",
    "efficientnet_(b.|v2_[ml])": "features.8",
    "efficientnet_v2_s|convnext.*": "features.7",
    "mnasnet.*": "layers.16",
    "shufflenet.*": "conv5",
    "regnet.*": "trunk_output",
    "swin.*": "permute",
}
SUGGESTIONS = 5  # names in a message
PASS_THROUGH = (nn.Dropout, nn.Dropout2d, nn.Identity)  # in eval mode their output is their input

LayerOutput = tuple[str, nn.Module, Tensor]  # a module's name, the module, and its output


def find_usual_layer(architecture: str) -> str | None:
    """Return the layer usually explained for an architecture of torchvision; None for an unknown one."""
    return next((layer for pattern, layer in USUAL_LAYERS.items() if re.fullmatch(pattern, architecture)), None)


@torch.no_grad()
def propose_layers(module: nn.Module, images: Tensor) -> Iterator[str]:
    """Yield the layers that may output maps larger than 1 x 1, the best candidate first.

    It is the last one that is not pooled and has weights after it. Where several modules output the same map, the outermost is
    named, and the others come last: the outermost may be one that works in place and is called several times, where a net
    cannot be cut. Raise UsageError at a layer after which most of the net works on tokens: there, images are only cut into
    patches.
    """
    outputs = _record_outputs(module, images)
    last_weighted = max((index for index, (_, child, _) in enumerate(outputs) if has_weights(child)), default=0)
    found: dict[int, list[int]] = {}  # indices of layers, by the map's address in memory
    for index, (_, child, output) in enumerate(outputs[:last_weighted]):
        if _is_map(output) and not isinstance(child, PASS_THROUGH):
            is_pooling = "Pool" in type(child).__name__
            same = found.setdefault(output.data_ptr(), [])
            if not is_pooling:  # a container that ends in pooling is named
                same.append(index)
    best = [same[-1] for same in reversed(found.values()) if same]
    others = [index for same in reversed(found.values()) for index in reversed(same[:-1])]
    for index in (*best, *others):
        _check_tokens(outputs, index)
        yield outputs[index][0]


def list_map_layers(module: nn.Module, images: Tensor) -> list[str]:
    """Return the names of all layers that may output maps, in the order in which they finish."""
    return [name for name, _, output in _record_outputs(module, images) if _is_map(output)]


def _is_map(output: Tensor) -> bool:
    """Tell whether an output may be a map larger than 1 x 1, whatever the order of its axes."""
    return output.dim() == 4 and sum(side > 1 for side in output.shape[1:]) > 1


def _check_tokens(outputs: Sequence[LayerOutput], index: int) -> None:
    """Raise UsageError if the layers after an output have most of the weights, and output tokens (n, tokens, k)."""
    count = len(outputs[index][2])
    tokens = [layer for layer in outputs[index + 1 :] if _is_tokens(layer[2], count)]
    before = {id(weight): weight for _, child, _ in outputs[: index + 1] for weight in child.parameters(recurse=False)}
    after = {id(weight): weight for _, child, _ in tokens for weight in child.parameters() if id(weight) not in before}
    if _count_numbers(after.values()) > _count_numbers(before.values()):
        raise UsageError(f"the net cannot be explained: most of its layers output {_describe_tokens(tokens[-1][2])}")


@torch.no_grad()
def find_tokens(module: nn.Module, images: Tensor, layer: str) -> str | None:
    """Describe what a layer outputs if these are tokens; None if they are not."""
    outputs = [output for name, _, output in _record_outputs(module, images) if name == layer]
    return _describe_tokens(outputs[-1]) if outputs and _is_tokens(outputs[-1], len(images)) else None


def _describe_tokens(output: Tensor) -> str:
    return f"tokens, {tuple(output.shape[1:])} for an image, as those of a ViT do, and not a map (k, h, w)"


def _is_tokens(output: Tensor, count: int) -> bool:
    return output.dim() == 3 and len(output) == count and min(output.shape) > 1


def _count_numbers(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() for weight in weights)


def suggest_names(word: str, names: Iterable[str]) -> str:
    """Return the last part of an error message: the names most similar to a word."""
    candidates = list(names)
    return f"the nearest are {', '.join(find_similar_names(word, candidates) or candidates[-SUGGESTIONS:])}"


def find_similar_names(word: str, names: Iterable[str]) -> list[str]:
    """Return the names most similar to a word, the most similar first."""
    return find_close_names(word, names, SUGGESTIONS, cutoff=0.4)


def _record_outputs(module: nn.Module, images: Tensor) -> list[LayerOutput]:
    """Return the outputs of all inner modules, in the order in which the modules finish."""
    outputs: list[LayerOutput] = []

    def make_recorder(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(child: nn.Module, _: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                outputs.append((name, child, output))

        return record

    handles = [child.register_forward_hook(make_recorder(name)) for name, child in module.named_modules() if name]
    try:
        module(images)
    finally:
        for handle in handles:
            handle.remove()
    return outputs


def has_weights(module: nn.Module) -> bool:
    """Tell whether a module has parameters of its own, outside its children."""
    return any(True for _ in module.parameters(recurse=False))
