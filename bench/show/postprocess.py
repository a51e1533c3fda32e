"""Fits a stored map to its image and stretches it to [0, 1], for pictures.

This is bench/scoring/postprocess.py again in NumPy, because code that reads runs starts without torch;
tests/show/test_postprocess.py holds the two equal for every setting of a protocol.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ..config.protocol import Fit, Order, Stretch
from ..store.header import describe_validation_error, make_damage_error
from ..store.layout import FILE
from ..store.run import Run

FloatMap = NDArray[np.float32]
CUBIC = -0.75  # torch's coefficient; Pillow's is -0.5


@dataclass(frozen=True)
class Postprocessing:
    """The settings of a protocol that turn the map of a method into the map that is scored."""

    fit: Fit = "bilinear"
    stretch: Stretch = "min-max"
    order: Order = "fit-stretch"

    @classmethod
    def from_run(cls, run: Run, metric: str | None = None) -> "Postprocessing":
        """Return the settings with which a run scored a metric; without `metric`, its first metric.

        Raise UsageError if the run has settings that this version does not know.
        """
        protocols = run.header.protocols
        settings = protocols[metric or next(iter(protocols))]
        # The header writes "protocol fit" if the metric has a setting of its own named "fit".
        choices = {key: settings.get(f"protocol {key}", settings.get(key)) for key in ("fit", "stretch", "order")}
        try:
            return TypeAdapter(cls).validate_python({key: value for key, value in choices.items() if value is not None})
        except ValidationError as error:
            raise make_damage_error(run.directory / FILE, describe_validation_error(error)) from None

    def __call__(self, map: FloatMap, size: tuple[int, int]) -> FloatMap:
        """Turn the map (h', w') of a method into the map (h, w) in [0, 1] that is scored."""
        if self.order == "fit-stretch":
            return stretch_map(fit_map(map, size, self.fit), self.stretch)
        return fit_map(stretch_map(map, self.stretch), size, self.fit).clip(0, 1)


def read_map(row: Any) -> FloatMap:
    """Read the map (h', w') from a row of a run's table `maps`: its `values`, `height` and `width`."""
    return np.asarray(row["values"], dtype=np.float32).reshape(int(row["height"]), int(row["width"]))


def fit_map(map: FloatMap, size: tuple[int, int], fit: Fit = "bilinear") -> FloatMap:
    """Resize a map (h', w') to the size (h, w) of its image."""
    rows, columns = (_compute_weights(old, new, fit) for old, new in zip(map.shape, size, strict=True))
    fitted: FloatMap = (rows @ map @ columns.T).astype(np.float32)
    return fitted


def stretch_map(map: FloatMap, stretch: Stretch = "min-max") -> FloatMap:
    """Scale a map to [0, 1]. A constant map becomes 0 everywhere, except with `none`, which only clips."""
    if stretch == "none":
        return map.clip(0, 1)
    low, high = map.min(), map.max()
    if stretch == "max":
        return map.clip(0, None) / high if high > low and high > 0 else np.zeros_like(map)
    return (map - low) / (high - low) if high > low else np.zeros_like(map)


def _compute_weights(old: int, new: int, fit: Fit) -> NDArray[np.floating]:
    """Compute the weights (new, old) of the old pixels in each new pixel; positions beyond the edge take the edge pixel."""
    positions = _compute_positions(old, new, fit)
    first = np.floor(positions).astype(int)
    weights = np.zeros((new, old))
    for tap in (-1, 0, 1, 2):
        index = (first + tap).clip(0, old - 1)
        np.add.at(weights, (np.arange(new), index), _evaluate_kernel(np.abs(positions - (first + tap)), fit))
    return weights


def _compute_positions(old: int, new: int, fit: Fit) -> NDArray[np.floating]:
    """Compute the centres of the new pixels in units of the old pixels."""
    index = np.arange(new)
    if fit == "corners":
        return index * ((old - 1) / max(new - 1, 1))
    if fit == "nearest":  # float32, because torch rounds ties in it
        return np.floor((index + 0.5).astype(np.float32) * np.float32(old / new)).astype(np.float64)
    return (index + 0.5) * (old / new) - 0.5


def _evaluate_kernel(distance: NDArray[np.floating], fit: Fit) -> NDArray[np.floating]:
    """Return the weight of a pixel at a distance, in pixels."""
    if fit != "bicubic":
        return np.maximum(1 - distance, 0)
    near = ((CUBIC + 2) * distance - (CUBIC + 3)) * distance**2 + 1
    far = CUBIC * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
