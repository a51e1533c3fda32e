"""A net as a line of modules with one cut: net(image) == net.classify(net.features(image)).

Images are in [0, 1]; normalisation is the first layer. `lines.py` makes the line of any module, this file says what one is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from ..core.errors import NotApplicable, nearest


@dataclass(frozen=True)
class Cut:
    """A net as a line of modules, the one whose output the methods explain, and its class maps if it has any."""

    line: dict[str, nn.Module]  # in order, normalisation first; names as in named_modules()
    layer: str
    class_maps: nn.Module | None = None  # activations -> (n, classes, h, w), before pooling
    no_class_maps: str = ""  # the reason where there are none
    names: dict[str, str] = field(default_factory=dict)  # other names of places in the line: layer4.1 is layer4
    whole: nn.Module | None = None  # the module that was cut, where it gives logits and nothing else

    def parts(self, net: str, layers: Sequence[str]) -> list[nn.Sequential]:
        """The line cut behind each of the layers, in its own order. Raises NotApplicable where it has no such layer."""
        places = list(self.line)
        missing = [layer for layer in layers if self.names.get(layer, layer) not in self.line]
        if missing:
            raise NotApplicable(f"{net} has no layer {missing[0]!r} to cut at: {nearest(missing[0], places)}")
        ends = [0, *sorted(places.index(self.names.get(layer, layer)) + 1 for layer in layers), len(places)]
        modules = list(self.line.values())
        return [nn.Sequential(*modules[first:last]) for first, last in pairwise(ends)]
