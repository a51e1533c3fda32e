"""Concrete: its grain, stones, stains and pores, and the cracks in it. All by + - * / and square roots, as scenes are."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...bench.data.types import Mask
from .backgrounds import Canvas, Plane, between, direction, light, noise, stretched, texture

Track = NDArray[np.float64]  # (n,), along a crack
SPACING = 0.5  # pixels between two points of a crack


@dataclass(frozen=True)
class Crack:
    """Points half a pixel apart, and half the crack's width at each; all in pixels."""

    x: Track
    y: Track
    half: Track


def concrete(rng: np.random.Generator, size: int) -> Canvas:
    """A wall of concrete (size, size, 3) without a crack; some walls have a joint, drips of rust or a light scratch."""
    tones = np.float32(between(rng, 0.5, 0.8)) + np.float32(between(rng, 0.1, 0.3)) * (noise(rng, size) - 0.5)
    tones = tones + np.float32(between(rng, 0.05, 0.16)) * (_stones(rng, size) - 0.5)
    tones = tones + np.float32(between(rng, 0.04, 0.14)) * (rng.random((size, size), dtype=np.float32) - 0.5)
    tones = tones - np.float32(between(rng, 0.0, 0.5)) * np.clip(noise(rng, size) - np.float32(0.55), 0, 1)
    tint = np.asarray([1 + between(rng, -0.02, 0.05), 1, 1 - between(rng, -0.02, 0.07)], dtype=np.float32)
    wall: Canvas = tones[:, :, None] * tint
    for _ in range(int(rng.integers(3, 22))):
        _pore(rng, wall)
    if rng.random() < 0.2:
        _joint(rng, wall)
    return wall


def _stones(rng: np.random.Generator, size: int) -> Plane:
    """What shows of the gravel in it: a photograph of gravel, from near or far."""
    gravel, span = texture("gravel"), between(rng, 130, 250)
    gravel = gravel[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]
    steps = (np.arange(size) + 0.5) * (span / size)
    return stretched(gravel, between(rng, 0, 255 - span) + steps, between(rng, 0, 255 - span) + steps)


def _pore(rng: np.random.Generator, wall: Canvas) -> None:
    """A hole that a bubble of air has left, on the wall in place: dark, with a lit lower rim."""
    size = wall.shape[0]
    x, y, radius = between(rng, 0, size), between(rng, 0, size), between(rng, 0.003, 0.014) * size + 0.3
    top, left = max(0, int(y - radius - 2)), max(0, int(x - radius - 2))
    part = wall[top : int(y + radius + 3), left : int(x + radius + 3)]
    dy = (np.arange(part.shape[0]) + (top + 0.5 - y))[:, None]
    dx = (np.arange(part.shape[1]) + (left + 0.5 - x))[None, :]
    hole = np.clip(radius + 0.5 - np.sqrt(dx * dx + dy * dy), 0, 1)
    lower = np.clip(radius + 0.5 - np.sqrt(dx * dx + (dy - 1) * (dy - 1)), 0, 1) - hole
    part *= (1 - between(rng, 0.2, 0.55) * hole + 0.15 * np.clip(lower, 0, 1)).astype(np.float32)[:, :, None]


def _joint(rng: np.random.Generator, wall: Canvas) -> None:
    """A straight seam of the formwork, on the wall in place: what a crack is not."""
    size = wall.shape[0]
    at = between(rng, 0.1, 0.9) * size + (np.arange(size) - size / 2) * between(rng, -0.05, 0.05)
    away = np.abs(np.arange(size)[:, None] + 0.5 - at[None, :])
    seam = np.clip(between(rng, 0.004, 0.008) * size + 0.5 - away, 0, 1) * between(rng, 0.1, 0.35)
    wall *= (1 - (seam if rng.random() < 0.5 else seam.T)).astype(np.float32)[:, :, None]


def cracks(rng: np.random.Generator, size: int) -> list[Crack]:
    """A crack across the wall and its branches, each thinner and shorter than what it leaves."""
    heading, half = direction(rng), between(rng, 0.004, 0.013) * size
    main = _walk(rng, size, heading, between(rng, 0.7, 1.7), half)
    middle = len(main.x) // 2
    x, y = (between(rng, 0.25, 0.75) * size for _ in range(2))
    main = Crack(main.x - main.x[middle] + x, main.y - main.y[middle] + y, main.half)
    found, stems = [main], [(main, heading, 0.6)]
    while stems:
        stem, (ux, uy), reach = stems.pop()
        for _ in range(int(rng.integers(4)) if reach > 0.2 else 0):
            start = int(between(rng, 0.1, 0.9) * len(stem.x))
            cos, sin = map(float, _turn(between(rng, 0.2, 0.6) * (1 if rng.random() < 0.5 else -1)))
            aside = (ux * cos - uy * sin, ux * sin + uy * cos)
            twig = _walk(rng, size, aside, between(rng, 0.3, 1) * reach, 0.7 * float(stem.half[start]), open=True)
            twig = Crack(twig.x + stem.x[start], twig.y + stem.y[start], twig.half)
            found.append(twig)
            stems.append((twig, aside, reach * 0.45))
    return found


def _walk(
    rng: np.random.Generator, size: int, heading: tuple[float, float], length: float, half: float, open: bool = False
) -> Crack:
    """A walk from (0, 0) that wanders about its heading, `length` image widths long; an open one begins at full width."""
    count = max(8, math.ceil(length * size / SPACING))
    wander = 0.3 * _wave(rng, count, 5) + 0.35 * _wave(rng, count, 2 + round(14 * length))
    wander = wander + 0.5 * _wave(rng, count, 2 + round(50 * length))
    cos, sin = _turn(wander)
    ux, uy = heading
    x, y = np.cumsum((ux * cos - uy * sin) * SPACING), np.cumsum((ux * sin + uy * cos) * SPACING)
    along = (np.arange(count) + 0.5) / count
    ends = np.minimum(1, 5 * (1 - along)) * (1 if open else np.minimum(1, 5 * along))
    swell = 1 + 0.5 * _wave(rng, count, 3 + round(8 * length)) + 0.4 * _wave(rng, count, 3 + round(40 * length))
    return Crack(x, y, np.maximum(half, 0.6) * np.sqrt(ends) * swell)


def _wave(rng: np.random.Generator, count: int, knots: int) -> Track:
    """Random numbers in [-1, 1], `knots` of them, joined by lines."""
    return np.interp(np.linspace(0, knots - 1, count), np.arange(knots), 2 * rng.random(knots) - 1)


def _turn(half: Track | float) -> tuple[Track, Track]:
    """Cosine and sine of an angle, of the tangent of its half."""
    square = np.asarray(half) * half
    return (1 - square) / (1 + square), 2 * np.asarray(half) / (1 + square)


def crack_open(rng: np.random.Generator, wall: Canvas, found: list[Crack]) -> Mask:
    """Draws cracks onto the wall in place, dark with soft edges and a lit rim on one side; where they are, (size, size)."""
    size = wall.shape[0]
    cover = _cover(found, size)
    dark = between(rng, 0.45, 0.8) * (1 + 0.25 * (noise(rng, size) - 0.5))
    rim = np.zeros_like(cover)
    rim[1:, 1:] = np.clip(cover[:-1, :-1] - cover[1:, 1:], 0, 1)
    wall *= ((1 - np.clip(dark, 0, 0.9) * cover) * (1 + between(rng, 0.0, 0.15) * rim)).astype(np.float32)[:, :, None]
    mask: Mask = cover >= 0.5
    return mask


def _cover(found: list[Crack], size: int) -> NDArray[np.float64]:
    """How much of each pixel the cracks cover: from each point on, the pixels within its half width."""
    x, y, half = (np.concatenate([getattr(crack, name) for crack in found]) for name in ("x", "y", "half"))
    reach = math.ceil(float(half.max())) + 1
    steps = np.arange(-reach, reach + 1)
    columns = np.floor(x).astype(np.int64)[:, None, None] + steps[None, None, :]
    rows = np.floor(y).astype(np.int64)[:, None, None] + steps[None, :, None]
    dx, dy = columns + 0.5 - x[:, None, None], rows + 0.5 - y[:, None, None]
    part = np.clip(half[:, None, None] + 0.5 - np.sqrt(dx * dx + dy * dy), 0, 1)
    inside = (part > 0) & (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
    cover = np.zeros((size, size))
    np.maximum.at(cover.reshape(-1), (rows * size + columns)[inside], part[inside])
    return cover


def lit(rng: np.random.Generator, wall: Canvas) -> Canvas:
    """The wall under uneven light, in [0, 1]."""
    return np.clip(wall * light(rng, wall.shape[0])[:, :, None], 0, 1)
