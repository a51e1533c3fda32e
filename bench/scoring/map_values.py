"""Computes what metrics ask of maps alone, on the maps' device: one call of a metric's function for all maps of a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import NotApplicable, PluginError
from ..core.plugins import Plugin
from ..forward.device import move_to_device, widen
from .case import MapValue
from .foreign import check_numbers, check_values

MOST_PIXELS = 2**24  # of maps that are passed in one call
MOST_PIXELS_ON_CPU = 2**18  # so that what a function computes stays in the processor's cache

Masks = dict[int, Tensor]  # by the id of the array
Values = dict[tuple[int, MapValue], list[float]]  # by a case's index and a question about it


@dataclass(frozen=True)
class MapRequest:
    """What a metric asks of the map (h, w) of a case, given by its index, and the other maps (n, h, w) if there are any."""

    case: int
    question: MapValue
    metric: Plugin
    map: Tensor
    others: Tensor | None

    def __len__(self) -> int:
        return 1 if self.others is None else len(self.others)

    def list_arguments(self, masks: Masks) -> Iterator[tuple[Tensor, ...]]:
        """Return for each number that is asked for the arguments (h, w) of the function."""
        map_and_mask = (self.map,) if self.question.mask is None else (self.map, masks[id(self.question.mask)])
        return iter([map_and_mask]) if self.others is None else ((*map_and_mask, other) for other in self.others)


def group_requests(requests: Iterable[MapRequest]) -> list[list[MapRequest]]:
    """Return requests in groups of one metric, one function and one number of arguments."""
    groups: dict[tuple[str, int, bool, bool], list[MapRequest]] = {}
    for request in requests:
        question = request.question
        kind = request.metric.spec, id(question.compute), question.mask is None, question.other is None
        groups.setdefault(kind, []).append(request)
    return list(groups.values())


def compute_values(groups: Sequence[Sequence[MapRequest]]) -> list[Tensor]:
    """Return the numbers (n,) that each group of requests asks for, in its order, on the maps' device."""
    masks = _move_masks([request for group in groups for request in group])
    return [_compute_group(group, masks) for group in groups]


def split_values(groups: Sequence[Sequence[MapRequest]], values: Sequence[NDArray[np.float64]]) -> Values:
    """Return the numbers of each request, given those of each group. Raise PluginError for one that is not finite."""
    found: Values = {}
    for group, of_group in zip(groups, values, strict=True):
        if group[0].metric.foreign:
            check_numbers(group[0].metric, of_group)
        numbers = iter(of_group.tolist())
        found |= {(request.case, request.question): list(islice(numbers, len(request))) for request in group}
    return found


def _move_masks(requests: Sequence[MapRequest]) -> Masks:
    """Return the masks of requests on the device and in the type of their maps, each once; they are moved in one copy."""
    masks = {id(mask): mask for request in requests if (mask := request.question.mask) is not None}
    if not masks:
        return {}
    maps = requests[0].map
    moved = move_to_device(torch.from_numpy(np.stack(list(masks.values()))), maps.device)
    return dict(zip(masks, moved.to(maps.dtype), strict=True))


def _compute_group(group: Sequence[MapRequest], masks: Masks) -> Tensor:
    arguments = [each for request in group for each in request.list_arguments(masks)]
    maps = group[0].map
    most = MOST_PIXELS_ON_CPU if maps.device.type == "cpu" else MOST_PIXELS
    step = max(1, most // maps.numel())
    parts = [
        _call(group[0], [torch.stack(column) for column in zip(*arguments[start : start + step], strict=True)])
        for start in range(0, len(arguments), step)
    ]
    return widen(torch.cat(parts))


def _call(request: MapRequest, arguments: Sequence[Tensor]) -> Tensor:
    """Call a metric's function, and check what foreign code returns."""
    metric = request.metric
    try:
        with metric.blame():
            values: Tensor = request.question.compute(*arguments)
    except NotApplicable as reason:
        raise PluginError(f"metric {metric.spec} refuses a map in compute: raise NotApplicable in score()") from reason
    return check_values(metric, values, arguments[0]) if metric.foreign else values
