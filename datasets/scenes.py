"""Drawn scenes: objects of ten shapes on natural textures, with exact masks; generated on the fly, the same on every machine.

There are ten classes. An object's extent is 25 to 55 % of the image's width (to 42 % if there are two objects). The same
settings give the same bytes on every machine: pixels are computed with + - * / and square roots alone, and random numbers come
from PCG64 alone.
"""

from dataclasses import dataclass

import numpy as np

from ..bench.core.errors import UsageError
from ..bench.data.types import Image
from ._synthetic.scene import ScenePlan, draw_other_label, draw_scene
from ._synthetic.shapes import CLASSES

VERSION = 1

SPLITS = ("train", "val", "test")
OBJECTS = ("mixed", "single", "double")
COUNT = 10_000  # images in a split
SIZES = (32, 1024)  # pixels


@dataclass(frozen=True)
class Scenes:
    """Scenes by index: each of the ten classes is the label of one in every ten scenes."""

    size: int
    seed: int
    split: str
    objects: str
    classes: tuple[str, ...] = CLASSES
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return COUNT

    def name(self, index: int) -> str:
        return f"{self.split}-{index:05d}"

    def __getitem__(self, index: int) -> Image:
        if not 0 <= index < COUNT:
            raise IndexError(f"scene {index} of {COUNT}")
        rng = make_generator(self.seed, self.split, index)
        label = index % len(CLASSES)
        labels = (label, draw_other_label(rng, label)) if self.has_two_objects(index) else (label,)
        pixels, objects = draw_scene(rng, self.size, labels, ScenePlan())
        return Image(self.name(index), pixels, label, objects)

    def has_two_objects(self, index: int) -> bool:
        """Tell whether a scene holds two objects.

        With objects=mixed each class labels two of twenty scenes: one with two objects, one with a single object.
        """
        return self.objects == "double" or (self.objects == "mixed" and (index + index // len(CLASSES)) % 2 == 1)


def make_generator(seed: int, split: str, index: int) -> np.random.Generator:
    """Make the generator of one scene's random numbers: a stream of its own for each seed, split and index."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, SPLITS.index(split), index])))


def load(*, size: int = 160, seed: int = 0, split: str = "test", objects: str = "mixed") -> Scenes:
    """Return 10,000 square scenes of `size` pixels, named test-00000 and so on, each object with its class and exact mask.

    `objects` is single, double, or mixed (every other scene holds two). With two objects the first one has the label. Raise
    UsageError for settings out of range.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise UsageError(f"the size of scenes is {SIZES[0]} to {SIZES[1]} pixels, not {size}")
    if seed < 0:
        raise UsageError(f"the seed of scenes is a whole number from 0 on, not {seed}")
    if split not in SPLITS:
        raise UsageError(f"the splits of scenes are {', '.join(SPLITS)}, not {split!r}")
    if objects not in OBJECTS:
        raise UsageError(f"the objects of scenes are {', '.join(OBJECTS)}, not {objects!r}")
    return Scenes(size, seed, split, objects)
