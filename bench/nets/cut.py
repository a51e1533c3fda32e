"""A net as a sequence of modules with one cut: net(images) == net.classify(net.features(images)).

Images are in [0, 1]; normalisation is the first module. `split.py` turns any classifier into such a sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.errors import NotApplicable, list_known_names
from .writes import Writes


class Part(nn.Sequential):
    """Consecutive modules of a net. They say where they pass no gradients on, so that methods that need them do not apply."""

    def __init__(self, *modules: nn.Module, copies: bool = False) -> None:
        """Put modules together; `copies`: they are given a copy of their input, which they overwrite."""
        super().__init__(*modules)
        self.copies = copies

    def forward(self, input: Tensor) -> Tensor:
        """Return the modules' output. Raise NotApplicable if the gradient by the input is wanted and there is none."""
        output: Tensor = super().forward(input.clone() if self.copies else input)
        is_traced = not isinstance(input, Tensor)
        if not is_traced and torch.is_grad_enabled() and input.requires_grad and not output.requires_grad:
            raise NotApplicable("the net passes no gradients on: it calls detach(), or runs without gradients")
        return output


@dataclass(frozen=True)
class Cut:
    """A net as a sequence of modules, the layer that methods explain, and the net's class maps if it has any."""

    modules: dict[
        str, nn.Module
    ]  # in order, normalisation first; names as in named_modules(); maps between are (n, k, h, w)
    layer: str
    class_map_module: nn.Module | None = None  # activations (n, k, h, w) -> (n, classes, h, w), before pooling
    why_no_class_maps: str = ""  # the reason if there are none
    aliases: dict[str, str] = field(default_factory=dict)  # other names of keys of `modules`: layer4.1 is layer4
    original: nn.Module | None = None  # the net before it was cut, if it returns logits and the layer (n, k, h, w)
    why_no_original: str = ""  # what a library would do wrong with the net before it was cut; empty if nothing
    usual_layout: bool = False  # whether its weights have to be (n, k, h, w), so that torch's gradients are right
    maps: frozenset[str] | None = None  # the keys of `modules` that output a map (n, k, h, w); None: all that are named
    writes: Writes = field(default_factory=Writes)
    whole: nn.Module | None = (
        None  # the net uncut, with the logits of `modules`, if these may differ at some size of images
    )

    def split_at(self, net: str, layers: Sequence[str]) -> list[Part]:
        """Split the modules after each of the layers, in the sequence's order: len(layers) + 1 parts.

        A part leaves its input as it is, which methods use again. Raise NotApplicable for a layer that is not in the sequence
        or outputs no map; `net` is the name for that message.
        """
        keys = list(self.modules)
        maps = self.modules if self.maps is None else self.maps
        missing = [layer for layer in layers if self.aliases.get(layer, layer) not in maps]
        if missing:
            known = list_known_names(missing[0], [key for key in keys if key and key in maps])
            raise NotApplicable(f"{net} has no layer {missing[0]!r} to cut at, whose output is a map: {known}")
        ends = [0, *sorted(keys.index(self.aliases.get(layer, layer)) + 1 for layer in layers), len(keys)]
        modules = list(self.modules.values())
        return [
            Part(*modules[start:stop], copies=start > 0 and keys[start - 1] in self.writes.outputs)
            for start, stop in pairwise(ends)
        ]
