"""Maps and images in the form that reference libraries expect."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from cambench.bench.data.types import MEAN, STD


def normalised(images: Tensor) -> Tensor:
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


class FixedMaps:
    """Returns fixed maps in place of an extractor of torchcam."""

    def __init__(self, model: nn.Module, maps: Tensor) -> None:
        self.model, self.maps = model, maps

    def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
        return [self.maps]

    def fuse_cams(self, maps: list[Tensor]) -> Tensor:
        return maps[0]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()
