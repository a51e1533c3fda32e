"""Class maps, found by structure and checked by numbers: plain CAM needs global average pooling and one layer behind it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ..core.errors import NotApplicable
from .layers import weighted

TOLERANCE = 1e-4  # of logits, as a share of the largest
COUNT = ("no", "one", "two", "three", "four", "five")


@torch.no_grad()
def class_maps(rest: Mapping[str, nn.Module], activations: Tensor, layer: str) -> nn.Module:
    """From activations (n, k, h, w) to the class maps (n, classes, h, w) of which the means, plus a constant, are the logits.

    `rest` is the line behind the layer. Raises NotApplicable, with the reason, where there are none.
    """
    before, name, after = _parted(rest, activations)
    if name is None:
        raise NotApplicable(_why_not(rest, layer))
    layers = [module for part in after for module in part.modules() if weighted(module)]
    maps = nn.Sequential(*before)
    if len(layers) > 1:
        raise NotApplicable(
            f"{len(layers)} layers with weights follow global pooling ({name}), and CAM is of one alone"
        )
    if layers:
        if not isinstance(layers[0], nn.Linear | nn.Conv2d):
            raise NotApplicable(f"a {type(layers[0]).__name__} follows global pooling ({name}), and no linear layer")
        maps.append(Everywhere(layers[0]))
    _check(maps, nn.Sequential(*rest.values()), activations, layer)
    return maps


def _parted(rest: Mapping[str, nn.Module], activations: Tensor) -> tuple[list[nn.Module], str | None, list[nn.Module]]:
    """What is applied to the map, the name of what pools it, and what is applied to the pooled; no name where nothing does."""
    now, modules = activations.clone(), list(rest.values())
    for place, (name, module) in enumerate(rest.items()):
        given, pooled = module(now.clone()), now.mean((2, 3))
        if given.dim() < 4 or given.shape[2:] != now.shape[2:]:
            same = given.flatten(1).shape == pooled.shape and torch.allclose(
                given.flatten(1), pooled, atol=1e-5, rtol=1e-4
            )
            return modules[:place], name if same else None, modules[place + 1 :]
        now = given
    return modules, None, []


def _check(maps: nn.Module, whole: nn.Module, activations: Tensor, layer: str) -> None:
    """Raises NotApplicable where the maps' means do not explain the logits, or where a place depends on others."""
    found, logits = maps(activations.clone()), whole(activations.clone())
    if found.dim() != 4 or found.shape[:2] != logits.shape:
        raise NotApplicable(f"what global pooling averages behind {layer} are no maps of the classes")
    constant = logits - found.mean((2, 3))
    if (constant - constant[:1]).abs().max() > TOLERANCE * max(1, float(logits.abs().max())):
        raise NotApplicable(f"what follows global pooling behind {layer} is more than one linear layer")
    moved = activations.clone()
    moved[:, :, 0, 0] += 1
    apart = (maps(moved) - found)[:, :, 1:].abs().max() if found.shape[2] > 1 else found.new_zeros(())
    if apart > TOLERANCE * max(1, float(found.abs().max())):
        raise NotApplicable(f"more than 1 x 1 layers follow {layer}: class maps are defined further on")


def _why_not(rest: Mapping[str, nn.Module], layer: str) -> str:
    dense = sum(isinstance(module, nn.Linear) for part in rest.values() for module in part.modules())
    if any(isinstance(module, nn.Conv2d) for part in rest.values() for module in part.modules()):
        return f"no global pooling of what {layer} gives: class maps are defined further on"
    if dense == 1:
        return f"no global pooling: a fully connected layer sees every place of what {layer} gives"
    count = COUNT[dense] if dense < len(COUNT) else str(dense)
    return f"no global pooling: {count} fully connected layers follow the last convolution"


class Everywhere(nn.Module):
    """A linear layer behind global pooling, applied at every place instead, without its bias: class maps."""

    def __init__(self, linear: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, activations: Tensor) -> Tensor:
        """(n, k, h, w) -> (n, classes, h, w)"""
        weight = self.linear.weight
        return conv2d(activations, weight if weight.dim() == 4 else weight[:, :, None, None])
