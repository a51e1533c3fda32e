"""Objects: where they are put, which pixels they cover, and how they are painted so that they stand out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bench.data.types import Mask
from .backgrounds import Canvas, Colour, Plane, between, colour, direction, photographed
from .shapes import CELLS, REACH, VARIANTS, field

CONTRAST = 0.6  # least distance between an object's mean colour and its surroundings', summed over RGB (3 at most)
TRIES = 40  # colours drawn before the one furthest from the surroundings is taken


@dataclass(frozen=True)
class Place:
    """A circle that an object of a class is to fill."""

    label: int
    x: float  # pixels
    y: float
    radius: float


@dataclass(frozen=True)
class Cut:
    """An object's shape on the pixels of its box."""

    place: Place
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

    def mask(self, size: int) -> Mask:
        whole = np.zeros((size, size), dtype=np.bool_)
        whole[self.box] = self.depth < 0
        return whole


def cut(rng: np.random.Generator, place: Place, size: int) -> Cut:
    """Turn, flip, squeeze and shear the class's outline, and measure it on the pixels around its place."""
    reach = place.radius * 1.2 + 3
    rows = slice(max(0, int(place.y - reach)), min(size, int(place.y + reach) + 1))
    columns = slice(max(0, int(place.x - reach)), min(size, int(place.x + reach) + 1))
    dx = (np.arange(columns.start, columns.stop) + 0.5 - place.x)[None, :] / place.radius
    dy = (np.arange(rows.start, rows.stop) + 0.5 - place.y)[:, None] / place.radius
    cos, sin = direction(rng)
    flip, squeeze, shear = ((1 if rng.random() < 0.5 else -1), between(rng, 1, 1.2), between(rng, -0.15, 0.15))
    u = (dx * cos + dy * sin) * (1 + abs(shear))
    v = (dy * cos - dx * sin) * (flip * squeeze) + u * shear
    depth = sampled(field(place.label, int(rng.integers(VARIANTS))), u, v) * np.float32(place.radius / squeeze)
    return Cut(place, rows, columns, u.astype(np.float32), v.astype(np.float32), depth)


def sampled(grid: Plane, u: NDArray[np.float64], v: NDArray[np.float64]) -> Plane:
    """A distance field read at points of [-REACH, REACH]^2, bilinearly; beyond it, at its border."""
    scale, last = CELLS / (2 * REACH), CELLS - 1.001
    across = np.clip((u + REACH) * scale - 0.5, 0, last)
    down = np.clip((v + REACH) * scale - 0.5, 0, last)
    left, top = across.astype(np.int64), down.astype(np.int64)
    fx, fy = (across - left).astype(np.float32), (down - top).astype(np.float32)
    flat, at = grid.reshape(-1), top * CELLS + left
    upper = flat[at] + (flat[at + 1] - flat[at]) * fx
    lower = flat[at + CELLS] + (flat[at + CELLS + 1] - flat[at + CELLS]) * fx
    mixed: Plane = upper + (lower - upper) * fy
    return mixed


def cast_shadow(rng: np.random.Generator, canvas: Canvas, shape: Cut) -> None:
    """Darken what lies around an object, softly, on the canvas in place."""
    soft = np.float32(shape.place.radius * between(rng, 0.08, 0.2))
    dark = np.float32(between(rng, 0.0, 0.5))
    shade = 1 - dark * np.clip(np.float32(0.8) - shape.depth / soft, 0, 1)
    canvas[shape.box] *= shade[:, :, None]


def paint(rng: np.random.Generator, canvas: Canvas, shape: Cut, around: Mask) -> None:
    """Lay the object onto the canvas in place, in the first of the random looks that stands out enough."""
    part = canvas[shape.box]
    ring = mean(part, around[shape.box])
    inside = shape.depth < 0
    tones, dye = shading(rng, shape), stripes(rng, shape)
    for attempt in range(TRIES):
        base = colour(rng) if attempt < TRIES - 1 else np.asarray(ring < 0.5, dtype=np.float32)
        look = np.clip(tones[:, :, None] * dyed(rng, base, dye), 0, 1)
        painted = part + (look - part) * shape.cover[:, :, None]
        if contrast(mean(painted, inside), ring) >= CONTRAST + 0.03:  # some is lost to rounding and to grain
            break
    canvas[shape.box] = painted


def mean(part: Canvas, mask: Mask) -> Colour:
    """The mean colour under a mask; summed as whole numbers, which no machine rounds."""
    levels = (part[mask] * np.float32(4096)).astype(np.int64)
    total: Colour = (levels.sum(axis=0) / (4096 * max(1, len(levels)))).astype(np.float32)
    return total


def contrast(a: Colour, b: Colour) -> float:
    """The distance between two colours, summed over the channels."""
    return float(abs(a[0] - b[0])) + float(abs(a[1] - b[1])) + float(abs(a[2] - b[2]))


def shading(rng: np.random.Generator, shape: Cut) -> Plane:
    """How light or dark each pixel of the object is: lit from a side, rounded at the edge, often grained."""
    ux, uy = direction(rng)
    tones = 1 + np.float32(between(rng, 0, 0.3)) * (shape.u * np.float32(ux) + shape.v * np.float32(uy))
    rim = np.float32(shape.place.radius * between(rng, 0.06, 0.2))
    tones *= 1 - np.float32(between(rng, 0, 0.4)) * np.clip(1 + shape.depth / rim, 0, 1)
    if rng.random() < 0.5:
        height, width = tones.shape
        grain = photographed(rng, max(height, width))[:height, :width]
        tones *= 1 + np.float32(between(rng, 0.1, 0.5)) * (grain - np.float32(0.5))
    return np.asarray(tones, dtype=np.float32)


def stripes(rng: np.random.Generator, shape: Cut) -> Plane | None:
    """Where the second colour goes, if there is one: 1 on it, 0 off it."""
    if rng.random() < 0.7:
        return None
    along = shape.u * np.float32(between(rng, 2, 5)) + np.float32(rng.random())
    return np.asarray(along - np.floor(along) < np.float32(0.45), dtype=np.float32)


def dyed(rng: np.random.Generator, base: Colour, dye: Plane | None) -> Canvas | Colour:
    """The object's colour, or its two similar ones."""
    if dye is None:
        return base
    other = base + (colour(rng) - base) * np.float32(0.4)
    return base + (other - base) * dye[:, :, None]
