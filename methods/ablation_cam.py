"""Ablation-CAM: activations weighted by the share of the class score lost without each channel (Desai and Ramaswamy, 2020)."""

import torch
from torch import Tensor

from ..bench.forward.forward import Stream
from ..bench.nets.net import Net
from ._masking import combine

VERSION = 1


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k A_k), w_k = (y - y_k) / y.

    y is the target's logit, and y_k its logit with channel k set to 0. A negative y turns every weight's sign, as in the
    paper's equation and in pytorch-grad-cam. At y = 0 the share is undefined, and w_k is the loss y - y_k itself. Only the
    layers after the activations run again, once for each channel that is not 0 everywhere.
    """

    def explain_image(image: Tensor, target: Tensor) -> Tensor:
        activations = net.features(image[None])[0]  # (k, h', w')
        live = activations.any(2).any(1)
        channel_masks = torch.cat(
            [torch.ones_like(live)[None], ~torch.diag(live)[live]]
        )  # (1 + live, k): all, then all but one

        def ablated(start: int, stop: int) -> Tensor:
            return activations * channel_masks[start:stop, :, None, None]

        logits = net.classify_stream(Stream(len(channel_masks), ablated))[:, target]
        logit, ablated_logits = logits[0], logits[1:]
        return combine((logit - ablated_logits) / torch.where(logit == 0, 1, logit), activations[live])

    return torch.stack([explain_image(*pair) for pair in zip(images, targets, strict=True)])
