"""Finds which axes of a layer's output are positions in the image, and brings outputs to the order (n, k, h, w).

Nets order their axes differently: Swin and ConvNeXt have layers that output (n, h, w, k). The order is measured, not assumed.
The height is the axis that another height of the image makes longer or shorter. If the net takes one size of images alone, it
is the axis along which changes of the image's upper and of its lower half lie apart. Likewise the width.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..forward.device import widen
from .fx_split import DEVICE_ERRORS, UNTRACEABLE

Order = tuple[int, int, int, int]  # the axes of an output that are its images, channels, height and width
Reading = TypeVar("Reading")

MAP: Order = (0, 1, 2, 3)
STEP = 64  # pixels added to a side of the image: two cells of a net whose cells are 32 pixels


class Permute(nn.Module):
    """Brings the axes of a tensor into another order."""

    def __init__(self, order: Order) -> None:
        super().__init__()
        self.order = order

    def forward(self, tensor: Tensor) -> Tensor:
        return tensor.permute(self.order)


@torch.no_grad()
def find_orders(modules: Mapping[str, nn.Module], images: Tensor) -> dict[str, Order]:
    """Return the order of the axes of each module's output, of modules that run one after the other on images (2, 3, h, w).

    Outputs that are not maps, or whose height and width axes cannot be determined, are left out.
    """
    shapes, taller, wider = (
        _read_outputs(modules, modules.keys(), inputs, lambda output: output.shape)
        for inputs in (images, pad(images[:1], (0, 0, 0, STEP)), pad(images[:1], (0, STEP, 0, 0)))
    )
    orders = {key: _compare_shapes(shape, taller.get(key), wider.get(key)) for key, shape in shapes.items()}
    unknown = {key for key, order in orders.items() if order is None and len(shapes[key]) == len(MAP)}
    if unknown:
        orders |= _read_outputs(modules, unknown, _mix_halves(images), _compare_changes)
    return {key: order for key, order in orders.items() if order is not None}


def arrange(modules: Mapping[str, nn.Module], orders: Mapping[str, Order]) -> dict[str, nn.Module]:
    """Return the modules such that each map between two of them is (n, k, h, w); their composition is the same."""
    arranged: dict[str, nn.Module] = {}
    previous = MAP
    for key, module in modules.items():
        order = orders.get(key, MAP)
        before = [] if previous == MAP else [Permute(_invert(previous))]
        after = [] if order == MAP else [Permute(order)]
        arranged[key] = nn.Sequential(*before, module, *after) if before or after else module
        previous = order
    return arranged


def describe_order(order: Order) -> str:
    """Write the order of an output's axes: (n, h, w, k)."""
    return f"({', '.join('nkhw'[axis] for axis in _invert(order))})"


def _invert(order: Order) -> Order:
    images, first, second, third = (order.index(axis) for axis in MAP)
    return images, first, second, third


def _read_outputs(
    modules: Mapping[str, nn.Module], keys: Collection[str], images: Tensor, read: Callable[[Tensor], Reading]
) -> dict[str, Reading]:
    """Run modules one after the other, up to the first that does not take images of this size.

    Return what `read` gives for the outputs of the modules with these keys.
    """
    readings: dict[str, Reading] = {}
    value = images
    for key, module in modules.items():
        try:
            value = module(value)
        except DEVICE_ERRORS:
            raise
        except UNTRACEABLE:
            break
        if key in keys and isinstance(value, Tensor):
            readings[key] = read(value)
    return readings


def _compare_shapes(shape: torch.Size, taller: torch.Size | None, wider: torch.Size | None) -> Order | None:
    """Return the order of the axes of an output for two images, by its shapes for one taller and for one wider image."""
    if taller is None or wider is None or {len(shape), len(taller), len(wider)} != {len(MAP)}:
        return None
    if (shape[0], taller[0], wider[0]) != (2, 1, 1):
        return None
    if shape[2:] == taller[2:] == wider[2:] == (1, 1):
        return MAP
    height, width = ([axis for axis in MAP[1:] if other[axis] != shape[axis]] for other in (taller, wider))
    return _make_order(height, width)


def _mix_halves(images: Tensor) -> Tensor:
    """Return three images (9, 3, h, w), then each of them with the left half of the next one, then with its upper half."""
    whole = torch.stack([*images, images[0].flip(1, 2)])
    other, (height, width) = whole.roll(-1, 0), whole.shape[2:]
    side_by_side = torch.cat([other[..., : width // 2], whole[..., width // 2 :]], 3)
    stacked = torch.cat([other[..., : height // 2, :], whole[..., height // 2 :, :]], 2)
    return torch.cat([whole, side_by_side, stacked])


def _compare_changes(outputs: Tensor) -> Order | None:
    """Return the order of the axes of the outputs for the images of `_mix_halves`."""
    if outputs.dim() != len(MAP) or len(outputs) != 9:
        return None
    if outputs.shape[2:] == (1, 1):
        return MAP
    whole, side_by_side, stacked = outputs.split(3)
    order = _make_order(_find_moving_axis(whole, stacked), _find_moving_axis(whole, side_by_side))
    is_square = order is not None and outputs.shape[order[2]] == outputs.shape[order[3]]  # as the images are
    return order if is_square else None


def _find_moving_axis(whole: Tensor, mixed: Tensor) -> list[int]:
    """Return the axis along which changes of an image's halves lie furthest apart, in the mean of the images, if any does."""
    shifts = [0.0, 0.0, 0.0]
    for first, second, mixture in zip(whole, whole.roll(-1, 0), mixed, strict=True):
        centres = zip(_find_centres(mixture - second), _find_centres(mixture - first), strict=True)
        shifts = [shift + other - one for shift, (other, one) in zip(shifts, centres, strict=True)]
    largest = max(shifts, key=abs)
    return [shifts.index(largest) + 1] if largest > 0 else []


def _find_centres(changes: Tensor) -> list[float]:
    """Return where the centre of the changes (k, h, w) lies along each axis, from 0 to 1; 0.5 if nothing changes."""
    weights = widen(changes.abs())
    return [_find_centre(weights.sum([other for other in range(3) if other != axis])) for axis in range(3)]


def _find_centre(weights: Tensor) -> float:
    """Return where the centre of weights (n,) lies, from 0 to 1; 0.5 if all are 0."""
    positions = torch.linspace(0, 1, len(weights), dtype=weights.dtype, device=weights.device)
    return float((weights * positions).sum() / weights.sum()) if weights.sum() > 0 else 0.5


def _make_order(height: list[int], width: list[int]) -> Order | None:
    """Return the order with these axes as height and width; None unless each is one axis."""
    if len(height) != 1 or len(width) != 1 or height == width:
        return None
    (channels,) = {*MAP[1:]} - {*height, *width}
    return 0, channels, height[0], width[0]
