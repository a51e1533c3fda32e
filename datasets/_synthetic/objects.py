"""Objects of scenes: their position, the pixels that they cover, and colours that differ from their surroundings."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bench.data.types import Mask
from .backgrounds import Canvas, Colour, Plane, draw_colour, draw_direction, draw_uniform, sample_texture
from .shapes import CELLS, REACH, VARIANTS, compute_distance_field

CONTRAST = 0.6  # smallest distance between an object's mean colour and its surroundings', summed over RGB (3 at most)
TRIES = 40  # colours tried; the last is black or white in each channel, whichever differs more from the surroundings


@dataclass(frozen=True)
class Placement:
    """The class of an object, and the circle that it fills."""

    label: int
    x: float  # pixels
    y: float
    radius: float


@dataclass(frozen=True)
class Shape:
    """An object's shape on the pixels of its box."""

    placement: Placement
    rows: slice
    columns: slice
    u: Plane  # the object's own axes, in radii
    v: Plane
    depth: Plane  # signed distance to the outline in pixels, negative inside

    @property
    def box(self) -> tuple[slice, slice]:
        return self.rows, self.columns

    @property
    def cover(self) -> Plane:
        """How much of each pixel the object covers."""
        cover: Plane = np.clip(np.float32(0.5) - self.depth, 0, 1)
        return cover

    def draw_mask(self, size: int) -> Mask:
        """Draw the object's mask (size, size), before other objects cover it."""
        mask_ = np.zeros((size, size), dtype=np.bool_)
        mask_[self.box] = self.depth < 0
        return mask_


def make_shape(rng: np.random.Generator, placement: Placement, size: int) -> Shape:
    """Rotate, flip, squeeze and shear the class's outline, and sample its distance field around its circle."""
    reach = placement.radius * 1.2 + 3
    rows = slice(max(0, int(placement.y - reach)), min(size, int(placement.y + reach) + 1))
    columns = slice(max(0, int(placement.x - reach)), min(size, int(placement.x + reach) + 1))
    dx = (np.arange(columns.start, columns.stop) + 0.5 - placement.x)[None, :] / placement.radius
    dy = (np.arange(rows.start, rows.stop) + 0.5 - placement.y)[:, None] / placement.radius
    cos, sin = draw_direction(rng)
    flip, squeeze, shear = (
        (1 if rng.random() < 0.5 else -1),
        draw_uniform(rng, 1, 1.2),
        draw_uniform(rng, -0.15, 0.15),
    )
    u = (dx * cos + dy * sin) * (1 + abs(shear))
    v = (dy * cos - dx * sin) * (flip * squeeze) + u * shear
    depth = sample_field(compute_distance_field(placement.label, int(rng.integers(VARIANTS))), u, v) * np.float32(
        placement.radius / squeeze
    )
    return Shape(placement, rows, columns, u.astype(np.float32), v.astype(np.float32), depth)


def sample_field(grid: Plane, u: NDArray[np.float64], v: NDArray[np.float64]) -> Plane:
    """Sample a distance field bilinearly at points (u, v); points outside [-REACH, REACH]^2 take the value at its border."""
    scale, limit = CELLS / (2 * REACH), CELLS - 1.001
    x = np.clip((u + REACH) * scale - 0.5, 0, limit)
    y = np.clip((v + REACH) * scale - 0.5, 0, limit)
    left, top = x.astype(np.int64), y.astype(np.int64)
    dx, dy = (x - left).astype(np.float32), (y - top).astype(np.float32)
    values, indices = grid.reshape(-1), top * CELLS + left
    upper = values[indices] + (values[indices + 1] - values[indices]) * dx
    lower = values[indices + CELLS] + (values[indices + CELLS + 1] - values[indices + CELLS]) * dx
    samples: Plane = upper + (lower - upper) * dy
    return samples


def cast_shadow(rng: np.random.Generator, canvas: Canvas, shape: Shape) -> None:
    """Draw a soft shadow around an object onto the canvas in place."""
    soft = np.float32(shape.placement.radius * draw_uniform(rng, 0.08, 0.2))
    dark = np.float32(draw_uniform(rng, 0.0, 0.5))
    shade = 1 - dark * np.clip(np.float32(0.8) - shape.depth / soft, 0, 1)
    canvas[shape.box] *= shade[:, :, None]


def paint(rng: np.random.Generator, canvas: Canvas, shape: Shape, surroundings: Mask) -> None:
    """Paint the object onto the canvas in place, in the first random colours that differ enough from its surroundings."""
    region = canvas[shape.box]
    ring = compute_mean_colour(region, surroundings[shape.box])
    inside = shape.depth < 0
    tones, stripes = draw_shading(rng, shape), draw_stripes(rng, shape)
    for attempt in range(TRIES):
        base = draw_colour(rng) if attempt < TRIES - 1 else np.asarray(ring < 0.5, dtype=np.float32)
        colours = np.clip(tones[:, :, None] * mix_colours(rng, base, stripes), 0, 1)
        painted = region + (colours - region) * shape.cover[:, :, None]
        if (
            compute_contrast(compute_mean_colour(painted, inside), ring) >= CONTRAST + 0.03
        ):  # some is lost to rounding and to grain
            break
    canvas[shape.box] = painted


def compute_mean_colour(region: Canvas, mask: Mask) -> Colour:
    """Return the mean colour under a mask, summed as integers, so that every machine gets the same bytes."""
    levels = (region[mask] * np.float32(4096)).astype(np.int64)
    total: Colour = (levels.sum(axis=0) / (4096 * max(1, len(levels)))).astype(np.float32)
    return total


def compute_contrast(a: Colour, b: Colour) -> float:
    """Return the distance between two colours, summed over the channels."""
    return float(abs(a[0] - b[0])) + float(abs(a[1] - b[1])) + float(abs(a[2] - b[2]))


def draw_shading(rng: np.random.Generator, shape: Shape) -> Plane:
    """Draw the brightness of each pixel of the object: lit from one side, darker or lighter at the edge, often textured."""
    ux, uy = draw_direction(rng)
    tones = 1 + np.float32(draw_uniform(rng, 0, 0.3)) * (shape.u * np.float32(ux) + shape.v * np.float32(uy))
    rim = np.float32(shape.placement.radius * draw_uniform(rng, 0.06, 0.2))
    tones *= 1 - np.float32(draw_uniform(rng, 0, 0.4)) * np.clip(1 + shape.depth / rim, 0, 1)
    if rng.random() < 0.5:
        height, width = tones.shape
        grain = sample_texture(rng, max(height, width))[:height, :width]
        tones *= 1 + np.float32(draw_uniform(rng, 0.1, 0.5)) * (grain - np.float32(0.5))
    return np.asarray(tones, dtype=np.float32)


def draw_stripes(rng: np.random.Generator, shape: Shape) -> Plane | None:
    """Return a plane that is 1 where the object has its second colour and 0 elsewhere; None if it has one colour only."""
    if rng.random() < 0.7:
        return None
    position = shape.u * np.float32(draw_uniform(rng, 2, 5)) + np.float32(rng.random())
    return np.asarray(position - np.floor(position) < np.float32(0.45), dtype=np.float32)


def mix_colours(rng: np.random.Generator, base: Colour, stripes: Plane | None) -> Canvas | Colour:
    """Return the object's only colour (3,), or its pixels' colours (h, w, 3) if it has stripes of a second, similar one."""
    if stripes is None:
        return base
    second = base + (draw_colour(rng) - base) * np.float32(0.4)
    return base + (second - base) * stripes[:, :, None]
