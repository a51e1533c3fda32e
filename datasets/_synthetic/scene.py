"""One scene: a background, up to two objects on it, and the grain of a camera."""

from dataclasses import dataclass

import numpy as np

from ...bench.data.types import Mask, Object, Pixels
from .backgrounds import Canvas, background, between
from .objects import Cut, Place, cast_shadow, cut, paint
from .shapes import CLASSES


@dataclass(frozen=True)
class Plan:
    """How hard a scene is."""

    spans: tuple[float, float] = (0.25, 0.55)  # an object's extent, in widths of the image
    spans_of_two: tuple[float, float] = (0.25, 0.42)
    clutter: int = 14  # small things on the background, at most


EASY = Plan(spans=(0.45, 0.95), spans_of_two=(0.35, 0.48), clutter=0)


def draw(rng: np.random.Generator, size: int, labels: tuple[int, ...], plan: Plan) -> tuple[Pixels, tuple[Object, ...]]:
    """A scene with an object of each of `labels` (none, one or two), (size, size, 3), and where they are."""
    canvas = background(rng, size, plan.clutter)
    shapes = [cut(rng, place, size) for place in places(rng, size, labels, plan)]
    masks = uncovered([shape.mask(size) for shape in shapes])
    for shape in shapes:
        cast_shadow(rng, canvas, shape)
    for shape in shapes:
        paint(rng, canvas, shape, surroundings(shape, masks))
    found = tuple(Object(label, mask) for label, mask in zip(labels, masks, strict=True))
    return developed(rng, canvas), found


def other_label(rng: np.random.Generator, label: int) -> int:
    """Any class but this one."""
    return (label + 1 + int(rng.integers(len(CLASSES) - 1))) % len(CLASSES)


def places(rng: np.random.Generator, size: int, labels: tuple[int, ...], plan: Plan) -> list[Place]:
    """Circles within the image, one a label, that hardly touch."""
    low, high = plan.spans if len(labels) < 2 else plan.spans_of_two
    while True:
        found = []
        for label in labels:
            radius = between(rng, low, high) / 2
            x, y = between(rng, radius, 1 - radius), between(rng, radius, 1 - radius)
            found.append(Place(label, x * size, y * size, radius * size))
        if len(found) < 2 or apart(found[0], found[1]):
            return found


def apart(one: Place, two: Place) -> bool:
    dx, dy, least = one.x - two.x, one.y - two.y, 0.97 * (one.radius + two.radius)
    return dx * dx + dy * dy >= least * least


def uncovered(masks: list[Mask]) -> list[Mask]:
    """What is seen of each object: the last one lies on top."""
    return [masks[0] & ~masks[1], masks[1]] if len(masks) == 2 else masks


def surroundings(shape: Cut, masks: list[Mask]) -> Mask:
    """The ring around an object, a fifth of its radius wide, without any other object."""
    ring = np.zeros_like(masks[0])
    ring[shape.box] = (shape.depth > 0.5) & (shape.depth < 2 + 0.2 * shape.place.radius)
    for mask in masks:
        ring &= ~mask
    return ring


def developed(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Grey levels, with a few levels of grain."""
    size, strength = canvas.shape[0], int(rng.integers(1, 7))
    grain = rng.integers(-strength, strength + 1, size=(size, size, 1), dtype=np.int16)
    levels = (canvas * np.float32(255) + np.float32(0.5)).astype(np.int16) + grain
    pixels: Pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return pixels
