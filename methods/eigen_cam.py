"""Eigen-CAM: activations projected on their first principal component, for any class (Muhammad and Yeasin, IJCNN 2020)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ._components import project_on_first_component

VERSION = 1
CLASS_BLIND = True  # the map is the same for every class


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, centred: bool = False) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w), of any target: ReLU(A v).

    A (h' w', k) holds the activations, and v is its first right singular vector. The paper does not centre A; pytorch-grad-cam
    subtracts each channel's mean first (centred=True). The sign of v is the one with which its numbers have a positive sum, so
    that the map rises where the activations do. After a ReLU, A v has no negative values unless it is centred.
    """
    return project_on_first_component(net.compute_activations(images), centred).relu()
