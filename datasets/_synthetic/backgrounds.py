"""Backgrounds of scenes: photographed textures, noise and gradients, under uneven light and with clutter."""

import math
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]  # (h, w), about [0, 1]
Canvas = NDArray[np.float32]  # (h, w, 3), about [0, 1]
Colour = NDArray[np.float32]  # (3,)
Positions = NDArray[np.floating]  # (n,), pixels of a grid

TEXTURES = ("brick", "fur", "grass", "gravel", "stars", "wood")


@lru_cache(maxsize=len(TEXTURES))
def load_texture(name: str) -> Plane:
    """Load a packaged texture, tones in [0, 1]."""
    with (files("cambench") / "datasets" / "textures" / f"{name}.png").open("rb") as file, Image.open(file) as image:
        return np.asarray(image).astype(np.float32) / np.float32(255)


def draw_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a random number, uniform in [low, high)."""
    return low + (high - low) * float(rng.random())


def draw_colour(rng: np.random.Generator) -> Colour:
    """Draw a random colour of any brightness, most often a muted one."""
    channels = rng.random(3)
    grey = (channels[0] + channels[1] + channels[2]) / 3
    return np.asarray(grey + (channels - grey) * draw_uniform(rng, 0.3, 1.2), dtype=np.float32)


def resample(grid: Plane, rows: Positions, columns: Positions) -> Plane:
    """Return the grid interpolated bilinearly at fractional rows and columns: (len(rows), len(columns))."""
    top = np.minimum(rows.astype(np.int64), grid.shape[0] - 2)
    left = np.minimum(columns.astype(np.int64), grid.shape[1] - 2)
    row_shares = (rows - top).astype(np.float32)[:, None]
    column_shares = (columns - left).astype(np.float32)[None, :]
    stretched_rows = grid[:, left] + (grid[:, left + 1] - grid[:, left]) * column_shares
    resampled: Plane = stretched_rows[top] + (stretched_rows[top + 1] - stretched_rows[top]) * row_shares
    return resampled


def sample_texture(rng: np.random.Generator, size: int) -> Plane:
    """Return a random square of a random texture, in one of its eight orientations."""
    texture = load_texture(TEXTURES[int(rng.integers(len(TEXTURES)))])
    if rng.random() < 0.5:
        texture = texture.T
    texture = texture[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]
    span = draw_uniform(rng, 100, 240)
    top, left = draw_uniform(rng, 0, 255 - span), draw_uniform(rng, 0, 255 - span)
    steps = (np.arange(size) + 0.5) * (span / size)
    return resample(texture, top + steps, left + steps)


def draw_noise(rng: np.random.Generator, size: int) -> Plane:
    """Draw clouds: the sum of four octaves of random tones."""
    total = np.zeros((size, size), dtype=np.float32)
    weight, falloff = 0.5, draw_uniform(rng, 0.35, 0.65)
    for cells in (3, 6, 13, 29):
        steps = (np.arange(size) + 0.5) * ((cells - 1) / size)
        total += np.float32(weight) * resample(rng.random((cells, cells), dtype=np.float32), steps, steps)
        weight *= falloff
    return total


def draw_gradient(rng: np.random.Generator, size: int) -> Plane:
    """Draw tones that change smoothly between four random corners."""
    steps = (np.arange(size) + 0.5) / size
    return resample(rng.random((2, 2), dtype=np.float32), steps, steps)


def draw_surface(rng: np.random.Generator, size: int) -> Canvas:
    """Draw one material: a plane of tones, coloured from a dark to a light colour."""
    choice = rng.random()
    draw_plane = sample_texture if choice < 0.6 else draw_noise if choice < 0.85 else draw_gradient
    plane = draw_plane(rng, size)
    base = draw_colour(rng)
    dark = base * np.float32(draw_uniform(rng, 0.3, 0.75))
    bright = base + (1 - base) * np.float32(draw_uniform(rng, 0.15, 0.6))
    canvas: Canvas = dark + (bright - dark) * plane[:, :, None]
    return canvas


def draw_light(rng: np.random.Generator, size: int) -> Plane:
    """Draw the brightness of the light (size, size): uneven and smooth."""
    steps = (np.arange(size) + 0.5) * (2 / size)
    return np.float32(0.7) + np.float32(0.5) * resample(rng.random((3, 3), dtype=np.float32), steps, steps)


def draw_horizon(rng: np.random.Generator, size: int) -> Plane:
    """Draw 1 on one side of a slanted line, 0 on the other, blended over a few pixels or a quarter of the image."""
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    slope, height = (np.float32(draw_uniform(rng, -0.5, 0.5)), np.float32(draw_uniform(rng, 0.25, 0.75)))
    soft = np.float32(0.25 if rng.random() < 0.3 else 0.02)
    side = (axis[:, None] - height - slope * (axis[None, :] - np.float32(0.5))) / soft
    plane: Plane = np.clip(side + np.float32(0.5), 0, 1)
    return plane if rng.random() < 0.5 else plane.T


def draw_background(rng: np.random.Generator, size: int, clutter: int) -> Canvas:
    """Draw a square canvas (size, size, 3) with at most `clutter` small things on it."""
    canvas = draw_surface(rng, size)
    if rng.random() < 0.35:
        canvas += (draw_surface(rng, size) - canvas) * draw_horizon(rng, size)[:, :, None]
    for _ in range(int(rng.integers(clutter + 1))):
        draw_clutter(rng, canvas)
    canvas *= draw_light(rng, size)[:, :, None]
    return np.clip(canvas, 0, 1, out=canvas)


def draw_clutter(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draw one pebble, stick, chip or spot of light onto the canvas in place."""
    size = canvas.shape[0]
    kind = int(rng.integers(4))
    reach = draw_uniform(rng, 0.015, 0.045) if kind != 1 else draw_uniform(rng, 0.05, 0.14)
    x, y, radius = draw_uniform(rng, 0, size), draw_uniform(rng, 0, size), reach * size
    ux, uy = draw_direction(rng)
    thin, tone = draw_uniform(rng, 0.6, 1.0), draw_colour(rng)
    opacity = np.float32(draw_uniform(rng, 0.35, 0.95))
    top, bottom = max(0, int(y - radius - 2)), min(size, int(y + radius + 3))
    left, right = max(0, int(x - radius - 2)), min(size, int(x + radius + 3))
    dx = (np.arange(left, right) + 0.5 - x)[None, :] / radius
    dy = (np.arange(top, bottom) + 0.5 - y)[:, None] / radius
    cover = compute_coverage(kind, dx * ux + dy * uy, (dy * ux - dx * uy) / thin, radius)
    region = canvas[top:bottom, left:right]
    region += (tone - region) * (cover.astype(np.float32) * opacity)[:, :, None]


def draw_direction(rng: np.random.Generator) -> tuple[float, float]:
    """Draw a random unit vector, computed without a sine so that every machine gets the same bytes."""
    while True:
        x, y = draw_uniform(rng, -1, 1), draw_uniform(rng, -1, 1)
        length = math.sqrt(x * x + y * y)
        if 0.2 < length <= 1:
            return x / length, y / length


def compute_coverage(kind: int, u: NDArray[np.float64], v: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Return the share of each pixel that a small thing covers; u and v are coordinates along its own axes, in radii."""
    if kind == 0:  # pebble
        edge = np.sqrt(u * u + v * v) - 0.9
    elif kind == 1:  # stick
        edge = np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.07)
    elif kind == 2:  # chip
        edge = np.maximum(np.maximum(-v - 0.4, 0.8 * u + 0.5 * v - 0.4), 0.5 * v - 0.8 * u - 0.4)
    else:  # spot of light
        return np.clip(1 - u * u - v * v, 0, 1) * 0.7
    return np.clip(0.5 - edge * radius, 0, 1)
