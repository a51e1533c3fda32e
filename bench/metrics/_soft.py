"""The image weighted by its map: its description for the net, the drop of its score, and the method's map of it."""

from ..scoring.case import AskingMaps, Case, MapOf
from ..scoring.perturbations import Masked, Substrate
from ._correlation import correlate


def mask_by_map(case: Case, fill: Substrate, top: float = 1.0) -> Masked:
    """Return the image masked by its map. Only the share `top` of highest pixels is kept."""
    return Masked(fill, None if top == 1 else round(top * case.pixels))


def compute_drop(before: float, after: float, epsilon: float = 0.0) -> float:
    """Return (before - after) / (before + epsilon): the share of a score lost, negative for a gain; 0 for a score of 0."""
    denominator = before + epsilon
    return (before - after) / denominator if denominator else 0.0


def ask_coherency(case: Case, fill: Substrate) -> AskingMaps[float]:
    """Return (1 + r) / 2, with r Pearson's correlation of the map and the method's map of the image masked by the map.

    0 if either map is constant, where r is undefined, as in the authors' code. Raise NotApplicable if only the map is known.
    """
    (masked_map,) = yield [MapOf(Masked(fill))]
    r = correlate(case.map, masked_map)
    return 0.0 if r is None else (1 + r) / 2
