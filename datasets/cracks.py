"""Drawn concrete with and without cracks, two classes, with the cracks' exact masks; made on the fly.

Every other image is cracked. Pores, stains and straight seams are on both, so that dark spots and lines alone do not tell. The
same settings give the same bytes: pixels are made by + - * / and square roots alone, random numbers by PCG64 alone.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ..bench.data.types import Image, Object
from ._synthetic.concrete import concrete, crack_open, cracks, lit
from ._synthetic.scene import developed

VERSION = 1
SPLITS = ("train", "val", "test")
COUNT = 10_000  # images in a split
CLASSES = ("intact", "cracked")
STREAM = 2  # sets these random numbers apart from those of the scenes


@dataclass(frozen=True)
class Cracks:
    """Walls by number: the odd ones are cracked."""

    size: int
    seed: int
    split: str
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return COUNT

    def name(self, index: int) -> str:
        return f"{self.split}-{index:05d}"

    def __getitem__(self, index: int) -> Image:
        if not 0 <= index < COUNT:
            raise IndexError(f"wall {index} of {COUNT}")
        stream = np.random.SeedSequence([STREAM, self.seed, SPLITS.index(self.split), index])
        rng = np.random.Generator(np.random.PCG64(stream))
        label, wall = index % 2, concrete(rng, self.size)
        found = [crack_open(rng, wall, cracks(rng, self.size))] if label else []
        objects = tuple(Object(label, mask) for mask in found)
        return Image(self.name(index), developed(rng, lit(rng, wall)), label, objects)


def load(
    *,
    size: Annotated[int, Field(ge=32, le=1024)] = 224,
    seed: Annotated[int, Field(ge=0)] = 0,
    split: Literal["train", "val", "test"] = "test",
) -> Cracks:
    """Square walls of `size` pixels; another seed or split draws others."""
    return Cracks(size, seed, split)
