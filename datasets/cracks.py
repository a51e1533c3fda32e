"""Drawn concrete walls, intact or cracked (two classes), with exact masks of the cracks; generated on the fly.

Every other image is cracked. Intact and cracked walls both have pores, stains and straight seams, so that dark spots and lines
alone do not give the class away. The same settings give the same bytes on every machine: pixels are computed with + - * / and
square roots alone, and random numbers come from PCG64 alone.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..bench.data.types import Image, Object
from ._synthetic.concrete import draw_cracks, light_wall, make_cracks, make_wall
from ._synthetic.scene import add_grain

VERSION = 1
SPLITS = ("train", "val", "test")
COUNT = 10_000  # images in a split
CLASSES = ("intact", "cracked")
STREAM = 2  # separates these random numbers from those of scenes


@dataclass(frozen=True)
class Cracks:
    """Walls by index: those with an odd index are cracked."""

    size: int
    seed: int
    split: str
    classes: tuple[str, ...] = CLASSES
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return COUNT

    def name(self, index: int) -> str:
        return f"{self.split}-{index:05d}"

    def __getitem__(self, index: int) -> Image:
        if not 0 <= index < COUNT:
            raise IndexError(f"wall {index} of {COUNT}")
        stream = np.random.SeedSequence([STREAM, self.seed, SPLITS.index(self.split), index])
        rng = np.random.Generator(np.random.PCG64(stream))
        label, wall = index % 2, make_wall(rng, self.size)
        masks = [draw_cracks(rng, wall, make_cracks(rng, self.size))] if label else []
        objects = tuple(Object(label, mask) for mask in masks)
        return Image(self.name(index), add_grain(rng, light_wall(rng, wall)), label, objects)


def load(
    *,
    size: Annotated[int, Field(ge=32, le=1024)] = 224,
    seed: Annotated[int, Field(ge=0)] = 0,
    split: Literal["train", "val", "test"] = "test",
) -> Cracks:
    """Return 10,000 square walls of `size` pixels, named test-00000 and so on; each seed and split has its own walls."""
    return Cracks(size, seed, split)
