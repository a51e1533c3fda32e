"""CAM: the last activations before global pooling, weighted by the class's own weights (Zhou et al., CVPR 2016, eq. 2)."""

import torch
from torch import Tensor

from ..bench.nets.net import Net

VERSION = 1


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, relu: bool = True) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): M_c = sum_k w_k^c A_k.

    The paper keeps negative evidence (relu=False). By default negative values become 0, as in Grad-CAM, so that a map's
    energy is evidence for the class. On global average pooling and one linear layer the map is then Grad-CAM's, up to its
    scale. Raise NotApplicable if the net does not end in global pooling of class maps.
    """
    maps = net.class_maps(net.compute_activations(images))[torch.arange(len(images), device=images.device), targets]
    return maps.relu() if relu else maps
