"""Ablation-CAM: activations weighted by the share of the class score lost without each (Desai & Ramaswamy, WACV 2020)."""

import torch
from torch import Tensor

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ._masking import combined

VERSION = 1


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k A_k), w_k = (y - y_k) / y.

    y is the target's logit, y_k that with channel k set to 0. A negative y turns every weight's sign, as in the paper's
    equation and in pytorch-grad-cam; at y = 0, where there is no share, w_k is the loss itself. Only what follows the
    activations runs again, once for each channel that is not 0 already.
    """

    def one(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        live = activations.any(2).any(1)
        kept = torch.cat([torch.ones_like(live)[None], ~torch.diag(live)[live]])  # (1 + live, k): all, then all but one

        def ablated(start: int, stop: int) -> Tensor:
            return activations * kept[start:stop, :, None, None]

        logits = net.classified(Stream(len(kept), ablated))[:, target]
        whole, without = logits[0], logits[1:]
        return combined((whole - without) / torch.where(whole == 0, 1, whole), activations[live])

    return torch.stack([one(*each) for each in zip(images, targets, strict=True)])
