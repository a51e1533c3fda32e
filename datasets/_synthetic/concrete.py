"""Concrete walls with grain, stones, stains and pores, and cracks. Computed with + - * / and square roots alone."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bench.data.types import Mask
from .backgrounds import Canvas, Plane, draw_direction, draw_light, draw_noise, draw_uniform, load_texture, resample

Track = NDArray[np.float64]  # (n,), along a crack
SPACING = 0.5  # pixels between two points of a crack


@dataclass(frozen=True)
class Crack:
    """Points half a pixel apart along the crack, and half the crack's width at each point; all in pixels."""

    x: Track
    y: Track
    half_width: Track


def make_wall(rng: np.random.Generator, size: int) -> Canvas:
    """Make a wall of concrete (size, size, 3) without a crack; some walls have a joint."""
    tones = np.float32(draw_uniform(rng, 0.5, 0.8)) + np.float32(draw_uniform(rng, 0.1, 0.3)) * (
        draw_noise(rng, size) - 0.5
    )
    tones = tones + np.float32(draw_uniform(rng, 0.05, 0.16)) * (_draw_stones(rng, size) - 0.5)
    tones = tones + np.float32(draw_uniform(rng, 0.04, 0.14)) * (rng.random((size, size), dtype=np.float32) - 0.5)
    tones = tones - np.float32(draw_uniform(rng, 0.0, 0.5)) * np.clip(draw_noise(rng, size) - np.float32(0.55), 0, 1)
    tint = np.asarray([1 + draw_uniform(rng, -0.02, 0.05), 1, 1 - draw_uniform(rng, -0.02, 0.07)], dtype=np.float32)
    wall: Canvas = tones[:, :, None] * tint
    for _ in range(int(rng.integers(3, 22))):
        _draw_pore(rng, wall)
    if rng.random() < 0.2:
        _draw_joint(rng, wall)
    return wall


def _draw_stones(rng: np.random.Generator, size: int) -> Plane:
    """Draw the visible gravel (size, size): a photograph of gravel at a random scale."""
    gravel, span = load_texture("gravel"), draw_uniform(rng, 130, 250)
    gravel = gravel[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]
    steps = (np.arange(size) + 0.5) * (span / size)
    return resample(gravel, draw_uniform(rng, 0, 255 - span) + steps, draw_uniform(rng, 0, 255 - span) + steps)


def _draw_pore(rng: np.random.Generator, wall: Canvas) -> None:
    """Draw the hole of an air bubble onto the wall in place: dark, with a bright lower rim."""
    size = wall.shape[0]
    x, y, radius = draw_uniform(rng, 0, size), draw_uniform(rng, 0, size), draw_uniform(rng, 0.003, 0.014) * size + 0.3
    top, left = max(0, int(y - radius - 2)), max(0, int(x - radius - 2))
    region = wall[top : int(y + radius + 3), left : int(x + radius + 3)]
    dy = (np.arange(region.shape[0]) + (top + 0.5 - y))[:, None]
    dx = (np.arange(region.shape[1]) + (left + 0.5 - x))[None, :]
    hole = np.clip(radius + 0.5 - np.sqrt(dx * dx + dy * dy), 0, 1)
    lower = np.clip(radius + 0.5 - np.sqrt(dx * dx + (dy - 1) * (dy - 1)), 0, 1) - hole
    region *= (1 - draw_uniform(rng, 0.2, 0.55) * hole + 0.15 * np.clip(lower, 0, 1)).astype(np.float32)[:, :, None]


def _draw_joint(rng: np.random.Generator, wall: Canvas) -> None:
    """Draw a straight seam of the formwork onto the wall in place, which is not a crack."""
    size = wall.shape[0]
    line = draw_uniform(rng, 0.1, 0.9) * size + (np.arange(size) - size / 2) * draw_uniform(rng, -0.05, 0.05)
    distance = np.abs(np.arange(size)[:, None] + 0.5 - line[None, :])
    seam = np.clip(draw_uniform(rng, 0.004, 0.008) * size + 0.5 - distance, 0, 1) * draw_uniform(rng, 0.1, 0.35)
    wall *= (1 - (seam if rng.random() < 0.5 else seam.T)).astype(np.float32)[:, :, None]


def make_cracks(rng: np.random.Generator, size: int) -> list[Crack]:
    """Make a crack across the wall and its branches, each thinner and shorter than the crack from which it branches."""
    heading, half_width = draw_direction(rng), draw_uniform(rng, 0.004, 0.013) * size
    main = _walk(rng, size, heading, length=draw_uniform(rng, 0.7, 1.7), half_width=half_width)
    middle = len(main.x) // 2
    x, y = (draw_uniform(rng, 0.25, 0.75) * size for _ in range(2))
    main = Crack(main.x - main.x[middle] + x, main.y - main.y[middle] + y, main.half_width)
    cracks, stems = [main], [(main, heading, 0.6)]
    while stems:
        stem, (ux, uy), reach = stems.pop()
        for _ in range(int(rng.integers(4)) if reach > 0.2 else 0):
            start = int(draw_uniform(rng, 0.1, 0.9) * len(stem.x))
            cos, sin = map(float, _compute_rotation(draw_uniform(rng, 0.2, 0.6) * (1 if rng.random() < 0.5 else -1)))
            aside = (ux * cos - uy * sin, ux * sin + uy * cos)
            length, half_width = draw_uniform(rng, 0.3, 1) * reach, 0.7 * float(stem.half_width[start])
            twig = _walk(rng, size, aside, length=length, half_width=half_width, full_start=True)
            twig = Crack(twig.x + stem.x[start], twig.y + stem.y[start], twig.half_width)
            cracks.append(twig)
            stems.append((twig, aside, reach * 0.45))
    return cracks


def _walk(
    rng: np.random.Generator,
    size: int,
    heading: tuple[float, float],
    *,
    length: float,
    half_width: float,
    full_start: bool = False,
) -> Crack:
    """Return a crack from (0, 0) that wanders around its heading: `length` image widths long, 2 `half_width` pixels wide.

    It narrows at both ends, or only at its end with `full_start`.
    """
    count = max(8, math.ceil(length * size / SPACING))
    wander = 0.3 * _draw_wave(rng, count, 5) + 0.35 * _draw_wave(rng, count, 2 + round(14 * length))
    wander = wander + 0.5 * _draw_wave(rng, count, 2 + round(50 * length))
    cos, sin = _compute_rotation(wander)
    ux, uy = heading
    x, y = np.cumsum((ux * cos - uy * sin) * SPACING), np.cumsum((ux * sin + uy * cos) * SPACING)
    position = (np.arange(count) + 0.5) / count
    ends = np.minimum(1, 5 * (1 - position)) * (1 if full_start else np.minimum(1, 5 * position))
    swell = (
        1 + 0.5 * _draw_wave(rng, count, 3 + round(8 * length)) + 0.4 * _draw_wave(rng, count, 3 + round(40 * length))
    )
    return Crack(x, y, np.maximum(half_width, 0.6) * np.sqrt(ends) * swell)


def _draw_wave(rng: np.random.Generator, count: int, knots: int) -> Track:
    """Draw `count` points of a line through `knots` random numbers in [-1, 1]."""
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), 2 * rng.random(knots) - 1)


def _compute_rotation(tangent: Track | float) -> tuple[Track, Track]:
    """Return the cosine and sine of an angle, computed from the tangent of half the angle."""
    square = np.asarray(tangent) * tangent
    return (1 - square) / (1 + square), 2 * np.asarray(tangent) / (1 + square)


def draw_cracks(rng: np.random.Generator, wall: Canvas, cracks: list[Crack]) -> Mask:
    """Draw dark cracks with a bright rim on one side onto the wall in place. Return their mask (size, size)."""
    size = wall.shape[0]
    cover = _cover(cracks, size)
    dark = draw_uniform(rng, 0.45, 0.8) * (1 + 0.25 * (draw_noise(rng, size) - 0.5))
    rim = np.zeros_like(cover)
    rim[1:, 1:] = np.clip(cover[:-1, :-1] - cover[1:, 1:], 0, 1)
    wall *= ((1 - np.clip(dark, 0, 0.9) * cover) * (1 + draw_uniform(rng, 0.0, 0.15) * rim)).astype(np.float32)[
        :, :, None
    ]
    mask: Mask = cover >= 0.5
    return mask


def _cover(cracks: list[Crack], size: int) -> NDArray[np.float64]:
    """Return the share of each pixel (size, size) that cracks cover: the area closer to a crack's point than its half-width."""
    x, y, half_width = (np.concatenate([getattr(crack, name) for crack in cracks]) for name in ("x", "y", "half_width"))
    reach = math.ceil(float(half_width.max())) + 1
    steps = np.arange(-reach, reach + 1)
    columns = np.floor(x).astype(np.int64)[:, None, None] + steps[None, None, :]
    rows = np.floor(y).astype(np.int64)[:, None, None] + steps[None, :, None]
    dx, dy = columns + 0.5 - x[:, None, None], rows + 0.5 - y[:, None, None]
    shares = np.clip(half_width[:, None, None] + 0.5 - np.sqrt(dx * dx + dy * dy), 0, 1)
    inside = (shares > 0) & (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    cover = np.zeros((size, size))
    np.maximum.at(cover.reshape(-1), (rows * size + columns)[inside], shares[inside])
    return cover


def light_wall(rng: np.random.Generator, wall: Canvas) -> Canvas:
    """Return the wall under uneven light, in [0, 1]."""
    return np.clip(wall * draw_light(rng, wall.shape[0])[:, :, None], 0, 1)
