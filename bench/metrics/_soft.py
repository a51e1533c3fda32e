"""The image weighted by its map: its description for the net, the drop of its score, and the method's map of it."""

import torch

from ..scoring.blend import blend_images
from ..scoring.case import Case
from ..scoring.perturbations import Masked, Substrate
from ._correlation import correlate


def mask_by_map(case: Case, fill: Substrate, top: float = 1.0) -> Masked:
    """Return the image masked by its map. Only the share `top` of highest pixels is kept."""
    return Masked(fill, None if top == 1 else round(top * case.pixels))


def compute_drop(before: float, after: float, epsilon: float = 0.0) -> float:
    """Return (before - after) / (before + epsilon): the share of a score lost, negative for a gain; 0 for a score of 0."""
    denominator = before + epsilon
    return (before - after) / denominator if denominator else 0.0


def compute_coherency(case: Case, fill: Substrate) -> float:
    """Return (1 + r) / 2, with r Pearson's correlation of the map and the method's map of the image masked by the map.

    0 if either map is constant, where r is undefined, as in the authors' code.
    """
    maps = torch.from_numpy(case.map.copy()).to(case.image)[None]
    masked_map = case.rerun.explain(blend_images(case.image, maps, [(0, Masked(fill))]).make(0, 1))[0]
    r = correlate(case.map, masked_map)
    return 0.0 if r is None else (1 + r) / 2
