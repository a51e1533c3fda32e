"""Eigen-Grad-CAM: activations times gradients, projected on the first principal component (pytorch-grad-cam, 2021)."""

from torch import Tensor

from ..bench.nets.net import Net
from ._components import project_on_first_component
from ._gradients import ScoreKind, compute_gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, centred: bool = True, of: ScoreKind = "logit") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): Eigen-CAM of dy^c/dA_k * A_k, not of A_k.

    y^c is the score `of` the class, in pytorch-grad-cam its logit. The library subtracts each channel's mean, as is the default
    here, and leaves the component's sign to chance; here the sign is the one that Eigen-CAM takes. Negative values become 0.
    """
    activations, gradients = compute_gradients(net, images, targets, of)  # (n, k, h', w')
    return project_on_first_component(gradients * activations, centred).relu()
