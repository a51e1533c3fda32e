"""Builds the class maps of plain CAM: the net must end in global average pooling and one linear layer."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ..core.errors import NotApplicable
from .layers import has_weights
from .readings import TwoClasses

TOLERANCE = 1e-4  # of logits, as a share of the largest
COUNT_WORDS = ("no", "one", "two", "three", "four", "five")


@torch.no_grad()
def build_class_maps(tail: Mapping[str, nn.Module], activations: Tensor, layer: str) -> nn.Module:
    """Build a module from activations (n, k, h, w) to class maps (n, classes, h, w).

    Their spatial means plus a constant are the logits.

    `tail` holds the modules after the explained layer, in order; `activations` is an example of that layer's output. The
    structure is read from the modules and confirmed on the example. Raise NotApplicable, with the reason, for a net without
    class maps. Source: Zhou et al., CVPR 2016.
    """
    before, pooling, after = _split_at_pooling(tail, activations)
    if pooling is None:
        raise NotApplicable(_explain_no_pooling(tail, layer))
    layers = [module for part in after for module in part.modules() if has_weights(module)]
    maps = nn.Sequential(*before)
    if len(layers) > 1:
        raise NotApplicable(
            f"{len(layers)} layers with weights follow global pooling ({pooling}), and CAM needs exactly one"
        )
    if layers:
        if not isinstance(layers[0], nn.Linear | nn.Conv2d):
            raise NotApplicable(
                f"a {type(layers[0]).__name__} follows global pooling ({pooling}), and CAM needs a linear layer"
            )
        maps.append(PointwiseLinear(layers[0]))
    if after and isinstance(after[-1], TwoClasses):
        maps.append(after[-1])
    _check(maps, nn.Sequential(*tail.values()), activations, layer)
    return maps


def _split_at_pooling(
    tail: Mapping[str, nn.Module], activations: Tensor
) -> tuple[list[nn.Module], str | None, list[nn.Module]]:
    """Return the modules before global average pooling, the pooling's name (None without one), and the modules after it."""
    current, modules = activations.clone(), list(tail.values())
    for index, (name, module) in enumerate(tail.items()):
        output, pooled = module(current.clone()), current.mean((2, 3))
        if not isinstance(output, Tensor):  # such as the parts that chunk() gives
            return modules[:index], None, modules[index + 1 :]
        if output.dim() < 4 or output.shape[2:] != current.shape[2:]:
            flat = output.flatten(1)
            is_mean = flat.shape == pooled.shape and torch.allclose(flat, pooled, atol=1e-5, rtol=1e-4)
            return modules[:index], name if is_mean else None, modules[index + 1 :]
        current = output
    return modules, None, []


def _check(maps: nn.Module, tail: nn.Module, activations: Tensor, layer: str) -> None:
    """Raise NotApplicable unless the maps' means explain the logits and each position depends on itself alone."""
    values, logits = maps(activations.clone()), tail(activations.clone())
    if values.dim() != 4 or values.shape[:2] != logits.shape:
        raise NotApplicable(f"global pooling after {layer} does not average one map for each class")
    constant = logits - values.mean((2, 3))
    if (constant - constant[:1]).abs().max() > TOLERANCE * max(1, float(logits.abs().max())):
        raise NotApplicable(f"more than one linear layer follows the global pooling after {layer}")
    perturbed = activations.clone()
    perturbed[:, :, 0, 0] += 1
    changes = (maps(perturbed) - values).abs()
    changes[:, :, 0, 0] = 0
    if changes.max() > TOLERANCE * max(1, float(values.abs().max())):
        raise NotApplicable(f"layers larger than 1 x 1 follow {layer}: class maps exist at a later layer only")


def _explain_no_pooling(tail: Mapping[str, nn.Module], layer: str) -> str:
    dense = sum(isinstance(module, nn.Linear) for part in tail.values() for module in part.modules())
    if any(isinstance(module, nn.Conv2d) for part in tail.values() for module in part.modules()):
        return f"no global pooling of the output of {layer}: class maps exist at a later layer only"
    if dense == 1:
        return f"no global pooling: a fully connected layer weights every position of {layer} separately"
    if not dense:
        return f"no linear layer is found after {layer}; in a net that torch.fx cannot trace, none can be found"
    count = COUNT_WORDS[dense] if dense < len(COUNT_WORDS) else str(dense)
    return f"no global pooling: {count} fully connected layers follow the last convolution"


class PointwiseLinear(nn.Module):
    """The linear layer after global pooling, applied at every position without its bias: its output is the class maps."""

    def __init__(self, linear: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.linear = linear

    def forward(self, activations: Tensor) -> Tensor:
        """Return class maps (n, classes, h, w) of activations (n, k, h, w)."""
        weight = self.linear.weight
        return conv2d(activations, weight if weight.dim() == 4 else weight[:, :, None, None])
