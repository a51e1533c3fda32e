"""Chooses the layer to explain: the usual one of a known architecture, else one proposed by a rule."""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

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
RULE = "the last unpooled map larger than 1 x 1 with weights after it"
PASS_THROUGH = (nn.Dropout, nn.Dropout2d, nn.Identity)  # in eval mode their output is their input

LayerOutput = tuple[str, nn.Module, Tensor]  # a module's name, the module, and its output


def find_usual_layer(architecture: str) -> str | None:
    """Return the layer usually explained for an architecture of torchvision; None for an unknown one."""
    return next((layer for pattern, layer in USUAL_LAYERS.items() if re.fullmatch(pattern, architecture)), None)


@torch.no_grad()
def propose_layers(module: nn.Module, images: Tensor) -> list[str]:
    """Return the layers that output maps (n, k, h, w) larger than 1 x 1, the best candidate first (see RULE).

    Where several modules output the same map, the outermost is named.
    """
    outputs = _record_outputs(module, images)
    last_weighted = max((index for index, (_, child, _) in enumerate(outputs) if has_weights(child)), default=0)
    names: dict[int, str] = {}  # by the map's address in memory
    for name, child, output in outputs[:last_weighted]:
        if output.dim() == 4 and output.shape[2] * output.shape[3] > 1 and not isinstance(child, PASS_THROUGH):
            is_pooling = "Pool" in type(child).__name__
            if not is_pooling or output.data_ptr() not in names:
                names[output.data_ptr()] = "" if is_pooling else name  # a container that ends in pooling is named
    return [name for name in reversed(names.values()) if name]


def suggest_names(word: str, names: Iterable[str]) -> str:
    """Return the last part of an error message: the names most similar to a word."""
    candidates = list(names)
    close = difflib.get_close_matches(word, candidates, n=5, cutoff=0.4) or candidates[-5:]
    return f"the nearest are {', '.join(close)}"


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
