"""The image weighted by its map: its description for the net, the drop of its score, and the method's map of it."""

from torch import Tensor

from ..scoring.case import Case, MapOf, MapValue
from ..scoring.perturbations import Fill, Masked
from ._correlation import correlate_maps


def mask_by_map(case: Case, fill: Fill, top: float = 1.0) -> Masked:
    """Return the image masked by its map. Only the share `top` of highest pixels is kept."""
    return Masked(fill, None if top == 1 else round(top * case.pixels))


def compute_drop(before: float, after: float, epsilon: float = 0.0) -> float:
    """Return (before - after) / (before + epsilon): the share of a score lost, negative for a gain; 0 for a score of 0."""
    denominator = before + epsilon
    return (before - after) / denominator if denominator else 0.0


def ask_for_coherency(fill: Fill) -> MapValue:
    """Return the question for (1 + r) / 2, with r Pearson's correlation of the map and the method's map of the masked image."""
    return MapValue(compute_coherency, other=MapOf(Masked(fill)))


def compute_coherency(maps: Tensor, others: Tensor) -> Tensor:
    """Return (1 + r) / 2 (n,) for the correlations r of maps (n, h, w) with others; 0 if either is constant, so r undefined."""
    return ((1 + correlate_maps(maps, others)) / 2).nan_to_num(0)
