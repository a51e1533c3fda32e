"""Drawn scenes: objects of ten shapes on natural textures, with exact masks; made on the fly, alike on every machine.

Ten classes, an object's extent 25 to 55 % of the image's width (42 % where there are two). The same settings give the
same bytes on every machine: pixels are made by + - * / and square roots alone, random numbers by PCG64 alone.
"""

from dataclasses import dataclass

import numpy as np

from ..bench.core.errors import UsageError
from ..bench.data.types import Image
from ._synthetic.scene import Plan, draw, other_label
from ._synthetic.shapes import CLASSES

VERSION = 1

SPLITS = ("train", "val", "test")
OBJECTS = ("mixed", "single", "double")
COUNT = 10_000  # images in a split
SIZES = (32, 1024)  # pixels


@dataclass(frozen=True)
class Scenes:
    """Scenes by number: each of the ten classes is the label once in every ten."""

    size: int
    seed: int
    split: str
    objects: str
    classes: tuple[str, ...] = CLASSES

    def __len__(self) -> int:
        return COUNT

    def name(self, index: int) -> str:
        return f"{self.split}-{index:05d}"

    def __getitem__(self, index: int) -> Image:
        if not 0 <= index < COUNT:
            raise IndexError(f"scene {index} of {COUNT}")
        rng = generator(self.seed, self.split, index)
        label = index % len(CLASSES)
        labels = (label, other_label(rng, label)) if self.double(index) else (label,)
        pixels, objects = draw(rng, self.size, labels, Plan())
        return Image(self.name(index), pixels, label, objects)

    def double(self, index: int) -> bool:
        """Whether a scene holds two objects; in `mixed`, every class has as many of either kind in every twenty."""
        return self.objects == "double" or (self.objects == "mixed" and (index + index // len(CLASSES)) % 2 == 1)


def generator(seed: int, split: str, index: int) -> np.random.Generator:
    """The random numbers of one scene; no two of (seed, split, index) share a stream."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, SPLITS.index(split), index])))


def load(*, size: int = 160, seed: int = 0, split: str = "test", objects: str = "mixed") -> Scenes:
    """Square scenes of `size` pixels; `objects` is single, double, or mixed (every other scene holds two)."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise UsageError(f"Scenes are {SIZES[0]} to {SIZES[1]} pixels wide, not {size}.")
    if seed < 0:
        raise UsageError(f"The seed of the scenes is a whole number from 0 on, not {seed}.")
    if split not in SPLITS:
        raise UsageError(f"The scenes' splits are {', '.join(SPLITS)}, not {split!r}.")
    if objects not in OBJECTS:
        raise UsageError(f"The scenes' objects are {', '.join(OBJECTS)}, not {objects!r}.")
    return Scenes(size, seed, split, objects)
