"""What is made of an image, whatever its map: random draws, and what is asked of the net because of them.

Made once for all methods, so that they meet the same, and the net answers a question once.
"""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar
from zlib import crc32

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

Made = TypeVar("Made")
Settings = ParamSpec("Settings")
Seed = Annotated[int, Field(ge=0)]


def drawn(image: Tensor, seed: int) -> np.random.Generator:
    """Random numbers that depend on the seed and on what an image (3, h, w) shows, to eight bits a colour, alone."""
    return np.random.default_rng([seed, crc32(pixels(image).tobytes())])


def pixels(image: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An image (3, h, w) in [0, 1] as (h, w, 3) in eight bits."""
    return (image * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def once(
    make: Callable[Concatenate[Tensor, Settings], Made],
) -> Callable[Concatenate[Tensor, Settings], Made]:
    """Remembers, for each choice of settings, what was made of the last image."""
    known: dict[Any, tuple[Any, Made]] = {}

    @wraps(make)
    def remembered(image: Tensor, *settings: Settings.args, **named: Settings.kwargs) -> Made:
        key = (settings, *sorted(named.items()))
        about = (image.device, image.shape, image.dtype, image.cpu().numpy().tobytes())
        if key not in known or known[key][0] != about:
            known[key] = about, make(image, *settings, **named)
        return known[key][1]

    return remembered
