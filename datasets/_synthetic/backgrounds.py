"""What lies behind the objects: photographs of textures, noise and gradients, lit unevenly, strewn with clutter."""

import math
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Plane = NDArray[np.float32]  # (h, w), about [0, 1]
Canvas = NDArray[np.float32]  # (h, w, 3), about [0, 1]
Colour = NDArray[np.float32]  # (3,)
Places = NDArray[np.floating]  # (n,), pixels of a grid

TEXTURES = ("brick", "fur", "grass", "gravel", "stars", "wood")


@lru_cache(maxsize=len(TEXTURES))
def texture(name: str) -> Plane:
    """A packaged texture, tones in [0, 1]."""
    with (files("cambench") / "datasets" / "textures" / f"{name}.png").open("rb") as file, Image.open(file) as image:
        return np.asarray(image).astype(np.float32) / np.float32(255)


def between(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def colour(rng: np.random.Generator) -> Colour:
    """A colour of any brightness, most often a muted one."""
    raw = rng.random(3)
    grey = (raw[0] + raw[1] + raw[2]) / 3
    return np.asarray(grey + (raw - grey) * between(rng, 0.3, 1.2), dtype=np.float32)


def stretched(grid: Plane, rows: Places, columns: Places) -> Plane:
    """`grid` read at fractional rows and columns, bilinearly: (len(rows), len(columns))."""
    top = np.minimum(rows.astype(np.int64), grid.shape[0] - 2)
    left = np.minimum(columns.astype(np.int64), grid.shape[1] - 2)
    down = (rows - top).astype(np.float32)[:, None]
    across = (columns - left).astype(np.float32)[None, :]
    wide = grid[:, left] + (grid[:, left + 1] - grid[:, left]) * across
    lines: Plane = wide[top] + (wide[top + 1] - wide[top]) * down
    return lines


def photographed(rng: np.random.Generator, size: int) -> Plane:
    """A random square of a random texture, in one of its eight orientations."""
    whole = texture(TEXTURES[int(rng.integers(len(TEXTURES)))])
    if rng.random() < 0.5:
        whole = whole.T
    whole = whole[:: 1 if rng.random() < 0.5 else -1, :: 1 if rng.random() < 0.5 else -1]
    span = between(rng, 100, 240)
    top, left = between(rng, 0, 255 - span), between(rng, 0, 255 - span)
    steps = (np.arange(size) + 0.5) * (span / size)
    return stretched(whole, top + steps, left + steps)


def noise(rng: np.random.Generator, size: int) -> Plane:
    """Clouds: four octaves of random tones."""
    total = np.zeros((size, size), dtype=np.float32)
    weight, falloff = 0.5, between(rng, 0.35, 0.65)
    for cells in (3, 6, 13, 29):
        steps = (np.arange(size) + 0.5) * ((cells - 1) / size)
        total += np.float32(weight) * stretched(rng.random((cells, cells), dtype=np.float32), steps, steps)
        weight *= falloff
    return total


def gradient(rng: np.random.Generator, size: int) -> Plane:
    steps = (np.arange(size) + 0.5) / size
    return stretched(rng.random((2, 2), dtype=np.float32), steps, steps)


def surface(rng: np.random.Generator, size: int) -> Canvas:
    """One material: a plane of tones, coloured from a dark to a light colour."""
    kind = rng.random()
    plane = photographed(rng, size) if kind < 0.6 else noise(rng, size) if kind < 0.85 else gradient(rng, size)
    base = colour(rng)
    dark = base * np.float32(between(rng, 0.3, 0.75))
    light = base + (1 - base) * np.float32(between(rng, 0.15, 0.6))
    canvas: Canvas = dark + (light - dark) * plane[:, :, None]
    return canvas


def light(rng: np.random.Generator, size: int) -> Plane:
    """How brightly each place is lit: uneven, and softly so."""
    steps = (np.arange(size) + 0.5) * (2 / size)
    return np.float32(0.7) + np.float32(0.5) * stretched(rng.random((3, 3), dtype=np.float32), steps, steps)


def horizon(rng: np.random.Generator, size: int) -> Plane:
    """1 on one side of a slanted line, 0 on the other, blended over a few pixels or over a quarter of the image."""
    axis = ((np.arange(size) + 0.5) / size).astype(np.float32)
    slope, height = (np.float32(between(rng, -0.5, 0.5)), np.float32(between(rng, 0.25, 0.75)))
    soft = np.float32(0.25 if rng.random() < 0.3 else 0.02)
    side = (axis[:, None] - height - slope * (axis[None, :] - np.float32(0.5))) / soft
    plane: Plane = np.clip(side + np.float32(0.5), 0, 1)
    return plane if rng.random() < 0.5 else plane.T


def background(rng: np.random.Generator, size: int, clutter: int) -> Canvas:
    """A square canvas with at most `clutter` small things lying on it."""
    canvas = surface(rng, size)
    if rng.random() < 0.35:
        canvas += (surface(rng, size) - canvas) * horizon(rng, size)[:, :, None]
    for _ in range(int(rng.integers(clutter + 1))):
        strew(rng, canvas)
    canvas *= light(rng, size)[:, :, None]
    return np.clip(canvas, 0, 1, out=canvas)


def strew(rng: np.random.Generator, canvas: Canvas) -> None:
    """One pebble, stick, chip or spot of light, laid onto the canvas in place."""
    size = canvas.shape[0]
    kind = int(rng.integers(4))
    reach = between(rng, 0.015, 0.045) if kind != 1 else between(rng, 0.05, 0.14)
    x, y, radius = between(rng, 0, size), between(rng, 0, size), reach * size
    ux, uy = direction(rng)
    thin, tone = between(rng, 0.6, 1.0), colour(rng)
    opacity = np.float32(between(rng, 0.35, 0.95))
    top, bottom = max(0, int(y - radius - 2)), min(size, int(y + radius + 3))
    left, right = max(0, int(x - radius - 2)), min(size, int(x + radius + 3))
    dx = (np.arange(left, right) + 0.5 - x)[None, :] / radius
    dy = (np.arange(top, bottom) + 0.5 - y)[:, None] / radius
    cover = covered(kind, dx * ux + dy * uy, (dy * ux - dx * uy) / thin, radius)
    part = canvas[top:bottom, left:right]
    part += (tone - part) * (cover.astype(np.float32) * opacity)[:, :, None]


def direction(rng: np.random.Generator) -> tuple[float, float]:
    """A unit vector, made without a sine."""
    while True:
        x, y = between(rng, -1, 1), between(rng, -1, 1)
        length = math.sqrt(x * x + y * y)
        if 0.2 < length <= 1:
            return x / length, y / length


def covered(kind: int, u: NDArray[np.float64], v: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """How much of each pixel a thing covers; u and v are places in its own frame, in radii."""
    if kind == 0:  # pebble
        edge = np.sqrt(u * u + v * v) - 0.9
    elif kind == 1:  # stick
        edge = np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.07)
    elif kind == 2:  # chip
        edge = np.maximum(np.maximum(-v - 0.4, 0.8 * u + 0.5 * v - 0.4), 0.5 * v - 0.8 * u - 0.4)
    else:  # spot of light
        return np.clip(1 - u * u - v * v, 0, 1) * 0.7
    return np.clip(0.5 - edge * radius, 0, 1)
