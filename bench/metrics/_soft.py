"""The image weighted by its map: how it is asked for, what of the class score is lost, and what the method sees in it."""

from typing import Annotated

import torch
from pydantic import Field

from ..scoring.blend import blends
from ..scoring.case import Case
from ..scoring.perturbations import Masked, Substrate
from ._correlation import pearson

Share = Annotated[float, Field(gt=0, le=1)]
Epsilon = Annotated[float, Field(ge=0)]


def weighted(case: Case, fill: Substrate, top: float = 1.0) -> Masked:
    """The image by its map, of which only this share of the pixels, the highest, counts; the rest is 0."""
    return Masked(fill, None if top == 1 else round(top * case.pixels))


def lost(before: float, after: float, epsilon: float = 0.0) -> float:
    """The share of a score that is lost, below 0 where it is won; of a score of 0 nothing is."""
    whole = before + epsilon
    return (before - after) / whole if whole else 0.0


def coherence(case: Case, fill: Substrate) -> float:
    """(1 + r) / 2, with r Pearson's of the map and of the method's map of the image that shows only the map.

    0 where r is undefined, a map being constant, as the authors have it.
    """
    maps = torch.from_numpy(case.map.copy()).to(case.image)[None]
    seen = case.again.explain(blends(case.image, maps, [(0, Masked(fill))]).make(0, 1))[0]
    r = pearson(case.map, seen)
    return 0.0 if r is None else (1 + r) / 2
