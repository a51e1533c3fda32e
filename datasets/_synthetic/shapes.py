"""The outlines of the ten classes, and their distance fields.

Polygons are computed from scalars, and distances with + - * / and square roots alone, which every machine rounds in the
same way, so that scenes are the same bytes everywhere.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Loop = list[Point]
Field = NDArray[np.float32]  # (CELLS, CELLS): signed distance, negative inside

CELLS = 144
REACH = 1.3  # a field spans [-REACH, REACH] both ways; the outline fits the unit circle
VARIANTS = 4


@dataclass(frozen=True)
class Outline:
    """The union of the loops in `solid` minus the union of the loops in `holes`."""

    solid: list[Loop]
    holes: list[Loop]


def polar(radius: float, turn: float, centre: Point = (0.0, 0.0), squash: float = 1.0) -> Point:
    """Return a point at `turn` (1 = full circle); rounded, since the last digit of a sine differs between machines."""
    angle = 2 * math.pi * turn
    return (centre[0] + round(radius * math.cos(angle), 9), centre[1] + round(radius * squash * math.sin(angle), 9))


def circle(radius: float, centre: Point = (0.0, 0.0), squash: float = 1.0) -> Loop:
    """Return a circle, or an ellipse, as a polygon of 36 points."""
    return [polar(radius, k / 36, centre, squash) for k in range(36)]


def box(left: float, top: float, right: float, bottom: float) -> Loop:
    """Return an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def star(variant: int) -> Outline:
    """Return a star of five to seven points."""
    points, inner = ((5, 0.40), (5, 0.50), (6, 0.50), (7, 0.52))[variant]
    return Outline([[polar(1 if k % 2 == 0 else inner, k / (2 * points)) for k in range(2 * points)]], [])


def ring(variant: int) -> Outline:
    """Return a ring, round or squashed."""
    inner, squash = ((0.50, 1.0), (0.62, 1.0), (0.70, 1.0), (0.60, 0.80))[variant]
    return Outline([circle(1, squash=squash)], [circle(inner, squash=squash)])


def cross(variant: int) -> Outline:
    """Return a cross of two bars."""
    half_width, width = ((0.16, 1.0), (0.21, 1.0), (0.27, 1.0), (0.20, 0.8))[variant]
    return Outline([box(-1, -half_width, 1, half_width), box(-half_width, -width, half_width, width)], [])


def key(variant: int) -> Outline:
    """Return a key with two or three teeth."""
    bow, hole, teeth = ((0.38, 0.20, 2), (0.44, 0.24, 2), (0.40, 0.22, 3), (0.46, 0.22, 3))[variant]
    cut = [box(0.94 - 0.24 * k, 0, 1.07 - 0.24 * k, 0.36 - 0.04 * k) for k in range(teeth)]
    return Outline([circle(bow, (-0.62, 0)), box(-0.5, -0.1, 1.07, 0.1), *cut], [circle(hole, (-0.66, 0))])


def crescent(variant: int) -> Outline:
    """Return a disc without a smaller one at its side."""
    bite, shift = ((0.80, 0.40), (0.86, 0.48), (0.78, 0.52), (0.92, 0.56))[variant]
    return Outline([circle(1)], [circle(bite, (shift, 0.0))])


def bolt(variant: int) -> Outline:
    """Return a bolt of lightning."""
    fat, lean = ((0.08, 0.0), (0.16, 0.0), (0.10, 0.10), (0.18, 0.10))[variant]
    upper = [(0.22 + lean, -1.0), (-0.48 - fat, 0.14), (-0.06, 0.14)]
    lower = [(-0.30 - lean, 1.0), (0.48 + fat, -0.22), (0.08, -0.22), (0.50 + lean, -1.0)]
    return Outline([upper + lower], [])


def leaf(variant: int) -> Outline:
    """Return a leaf with its stalk, its edge smooth or serrated."""
    width, teeth = ((0.40, 0.0), (0.52, 0.0), (0.46, 0.06), (0.56, 0.07))[variant]
    steps = 18
    side = []
    for k in range(1, steps):
        t = k / steps
        bulge = width * 4 * t * (1 - t) * (1.25 - 0.5 * t)
        side.append((-0.6 + 1.6 * t, bulge + (teeth if k % 2 else -teeth) * (0.3 + bulge)))
    blade = [(-0.6, 0.0), *side, (1.0, 0.0), *[(x, -y) for x, y in reversed(side)]]
    return Outline([blade, box(-1, -0.055, -0.5, 0.055)], [])


def gear(variant: int) -> Outline:
    """Return a gear of eight to twelve teeth, with a hole."""
    teeth, root, hole = ((8, 0.74, 0.30), (9, 0.76, 0.24), (10, 0.78, 0.36), (12, 0.80, 0.28))[variant]
    rim = []
    for k in range(teeth):
        for shift, radius in ((-0.27, root), (-0.19, 1.0), (0.19, 1.0), (0.27, root)):
            rim.append(polar(radius, (k + shift) / teeth))
    return Outline([rim], [circle(hole)])


def arrow(variant: int) -> Outline:
    """Return an arrow that points to the right."""
    half_width, head, wing = ((0.13, 0.2, 0.52), (0.18, 0.1, 0.62), (0.22, 0.15, 0.66), (0.16, 0.3, 0.50))[variant]
    upper = [(-1.0, half_width), (head, half_width), (head - 0.06, wing), (1.0, 0.0)]
    return Outline([upper + [(x, -y) for x, y in reversed(upper[:-1])]], [])


def heart(variant: int) -> Outline:
    """Return a heart."""
    squash, dip = ((1.0, 5.0), (0.88, 5.0), (1.0, 6.0), (1.12, 5.0))[variant]
    loop = []
    for k in range(44):
        t = 2 * math.pi * k / 44
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - dip * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        loop.append((round(squash * x, 9), round(-y, 9)))
    return Outline([loop], [])


DRAWERS = (star, ring, cross, key, crescent, bolt, leaf, gear, arrow, heart)
CLASSES = tuple(draw.__name__ for draw in DRAWERS)


def fit_to_unit_circle(outline: Outline) -> Outline:
    """Return the outline centred and scaled so that its farthest point lies on the unit circle."""
    points = [p for loop in outline.solid for p in loop]
    middle = [(min(p[i] for p in points) + max(p[i] for p in points)) / 2 for i in (0, 1)]
    reach = max(math.sqrt((x - middle[0]) ** 2 + (y - middle[1]) ** 2) for x, y in points)

    def move(loop: Loop) -> Loop:
        return [((x - middle[0]) / reach, (y - middle[1]) / reach) for x, y in loop]

    return Outline([move(loop) for loop in outline.solid], [move(loop) for loop in outline.holes])


def compute_signed_distance(loop: Loop) -> NDArray[np.float64]:
    """Return the signed distance of each cell's centre to a closed polygon, negative inside."""
    axis = ((np.arange(CELLS) + 0.5) / CELLS * 2 - 1) * REACH
    x, y = axis[None, :], axis[:, None]
    nearest = np.full((CELLS, CELLS), np.inf)
    inside = np.zeros((CELLS, CELLS), dtype=bool)
    for (ax, ay), (bx, by) in zip(loop, loop[1:] + loop[:1], strict=True):
        ex, ey = bx - ax, by - ay
        position = np.clip(((x - ax) * ex + (y - ay) * ey) / (ex * ex + ey * ey), 0, 1)
        dx, dy = x - ax - position * ex, y - ay - position * ey
        nearest = np.minimum(nearest, dx * dx + dy * dy)
        if ey != 0:
            inside ^= ((ay <= y) != (by <= y)) & (x < ax + (y - ay) * (ex / ey))
    distance: NDArray[np.float64] = np.sqrt(nearest)
    return np.where(inside, -distance, distance)


@lru_cache(maxsize=len(CLASSES) * VARIANTS)
def compute_distance_field(label: int, variant: int) -> Field:
    """Return the signed distance to a class's outline over [-REACH, REACH]^2."""
    outline = fit_to_unit_circle(DRAWERS[label](variant))
    total = compute_signed_distance(outline.solid[0])
    for loop in outline.solid[1:]:
        total = np.minimum(total, compute_signed_distance(loop))
    for loop in outline.holes:
        total = np.maximum(total, -compute_signed_distance(loop))
    return total.astype(np.float32)
