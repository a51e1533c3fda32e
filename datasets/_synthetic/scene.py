"""One scene: a background with up to two objects, and the grain of a camera."""

from dataclasses import dataclass

import numpy as np

from ...bench.data.types import Mask, Object, Pixels
from .backgrounds import Canvas, draw_background, draw_uniform
from .objects import Placement, Shape, cast_shadow, make_shape, paint
from .shapes import CLASSES


@dataclass(frozen=True)
class ScenePlan:
    """How difficult the scenes are."""

    spans: tuple[float, float] = (0.25, 0.55)  # an object's extent, in widths of the image
    spans_of_two: tuple[float, float] = (0.25, 0.42)
    clutter: int = 14  # small things on the background, at most


EASY = ScenePlan(spans=(0.45, 0.95), spans_of_two=(0.35, 0.48), clutter=0)


def draw_scene(
    rng: np.random.Generator, size: int, labels: tuple[int, ...], plan: ScenePlan
) -> tuple[Pixels, tuple[Object, ...]]:
    """Draw a scene (size, size, 3) with an object of each of `labels` (none, one or two); return it and the objects."""
    canvas = draw_background(rng, size, plan.clutter)
    shapes = [make_shape(rng, placement, size) for placement in draw_placements(rng, size, labels, plan)]
    masks = find_visible_masks([shape.draw_mask(size) for shape in shapes])
    for shape in shapes:
        cast_shadow(rng, canvas, shape)
    for shape in shapes:
        paint(rng, canvas, shape, find_surrounding_ring(shape, masks))
    objects = tuple(Object(label, mask) for label, mask in zip(labels, masks, strict=True))
    return add_grain(rng, canvas), objects


def draw_other_label(rng: np.random.Generator, label: int) -> int:
    """Return a random class other than `label`."""
    return (label + 1 + int(rng.integers(len(CLASSES) - 1))) % len(CLASSES)


def draw_placements(rng: np.random.Generator, size: int, labels: tuple[int, ...], plan: ScenePlan) -> list[Placement]:
    """Draw circles inside the image, one for each label, that overlap little or not at all."""
    smallest, largest = plan.spans if len(labels) < 2 else plan.spans_of_two
    while True:
        circles = []
        for label in labels:
            radius = draw_uniform(rng, smallest, largest) / 2
            x, y = draw_uniform(rng, radius, 1 - radius), draw_uniform(rng, radius, 1 - radius)
            circles.append(Placement(label, x * size, y * size, radius * size))
        if len(circles) < 2 or are_apart(circles[0], circles[1]):
            return circles


def are_apart(first: Placement, second: Placement) -> bool:
    """Tell whether two circles overlap by at most 3 % of the sum of their radii."""
    dx, dy, min_distance = first.x - second.x, first.y - second.y, 0.97 * (first.radius + second.radius)
    return dx * dx + dy * dy >= min_distance * min_distance


def find_visible_masks(masks: list[Mask]) -> list[Mask]:
    """Return the visible part of each object's mask; the last object is on top."""
    return [masks[0] & ~masks[1], masks[1]] if len(masks) == 2 else masks


def find_surrounding_ring(shape: Shape, masks: list[Mask]) -> Mask:
    """Return the ring around an object, a fifth of its radius wide, without the pixels of any object."""
    ring = np.zeros_like(masks[0])
    ring[shape.box] = (shape.depth > 0.5) & (shape.depth < 2 + 0.2 * shape.placement.radius)
    for mask in masks:
        ring &= ~mask
    return ring


def add_grain(rng: np.random.Generator, canvas: Canvas) -> Pixels:
    """Return the canvas as 8-bit pixels, with a few levels of random grain."""
    size, strength = canvas.shape[0], int(rng.integers(1, 7))
    grain = rng.integers(-strength, strength + 1, size=(size, size, 1), dtype=np.int16)
    levels = (canvas * np.float32(255) + np.float32(0.5)).astype(np.int16) + grain
    pixels: Pixels = np.clip(levels, 0, 255).astype(np.uint8)
    return pixels
