"""Which layer of a net is explained: the usual one of a known architecture, else one that is proposed by a rule."""

import difflib
import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

KNOWN = {  # torchvision's names, and the last map of each before pooling
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
RULE = "the last map of more than one place that no pooling gives and that weights follow"
PASSING = (nn.Dropout, nn.Dropout2d, nn.Identity)  # whose output is their input


def known(name: str) -> str | None:
    """The layer of an architecture by its name in torchvision."""
    return next((layer for pattern, layer in KNOWN.items() if re.fullmatch(pattern, name)), None)


@torch.no_grad()
def proposed(net: nn.Module, images: Tensor) -> list[str]:
    """The layers of a net that give maps (n, k, h, w) of more than one place, the one to be explained first: see RULE.

    Where several modules give the same map, the outermost is named.
    """
    run = _run(net, images)
    last = max((place for place, (_, module, _) in enumerate(run) if weighted(module)), default=0)
    found: dict[int, str] = {}  # by where the map lies in memory
    for name, module, output in run[:last]:
        if output.dim() == 4 and output.shape[2] * output.shape[3] > 1 and not isinstance(module, PASSING):
            pooled = "Pool" in type(module).__name__
            if not pooled or output.data_ptr() not in found:
                found[output.data_ptr()] = "" if pooled else name
            # a container whose last module pools gives what that pools
    return [name for name in reversed(found.values()) if name]


def near(word: str, names: Iterable[str]) -> str:
    """The names most like a word, for the end of an error message."""
    known = list(names)
    close = difflib.get_close_matches(word, known, n=5, cutoff=0.4) or known[-5:]
    return f"the nearest are {', '.join(close)}"


def _run(net: nn.Module, images: Tensor) -> list[tuple[str, nn.Module, Tensor]]:
    """The modules in the order in which they are done, and what each gives."""
    done: list[tuple[str, nn.Module, Tensor]] = []

    def remember(name: str) -> Any:
        return lambda module, _, output: done.append((name, module, output)) if isinstance(output, Tensor) else None

    handles = [module.register_forward_hook(remember(name)) for name, module in net.named_modules() if name]
    try:
        net(images)
    finally:
        for handle in handles:
            handle.remove()
    return done


def weighted(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))
