"""Random numbers of a metric: the same for every method's map of an image, different for every image and seed."""

import numpy as np

from ..scoring.case import Case


def make_generator(case: Case, seed: int) -> np.random.Generator:
    """Make a generator seeded by the metric's setting and the image's pixels."""
    return np.random.default_rng([seed, case.seed])
