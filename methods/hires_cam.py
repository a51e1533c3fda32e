"""HiRes-CAM: activations times their gradients, element by element (Draelos and Carin, 2020, arXiv 2011.08891)."""

from torch import Tensor

from ..bench.nets.net import Net
from ._gradients import ScoreKind, compute_gradients

VERSION = 1


def explain(net: Net, images: Tensor, targets: Tensor, *, relu: bool = True, of: ScoreKind = "logit") -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): sum_k ds^c/dA_k * A_k.

    s^c is the score `of` the class, in the paper its logit. The authors' code keeps negative evidence (relu=False). By default
    negative values become 0, as in Grad-CAM and pytorch-grad-cam, so that a map's energy is evidence for the class.
    """
    activations, gradients = compute_gradients(net, images, targets, of)  # (n, k, h', w')
    maps = (gradients * activations).sum(1)
    return maps.relu() if relu else maps
