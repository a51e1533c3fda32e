"""Eigen-CAM: the activations along their first principal component, whatever the class (Muhammad and Yeasin, IJCNN 2020)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net
from ._components import first_component

VERSION = 1
CLASS_BLIND = True  # the map is the same for every class


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, centred: bool = False) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w), the targets being ignored: ReLU(A v), v the first right singular vector of A.

    A has a row per place and a column per channel. The paper takes it as it is; pytorch-grad-cam subtracts each channel's
    mean first (centred=True). Of v and -v the one is taken whose numbers add up to more, so that the map rises where the
    activations do. Behind a ReLU no value of A v is negative unless centred.
    """
    return torch.stack([first_component(one, centred).relu() for one in net.features(images)])
