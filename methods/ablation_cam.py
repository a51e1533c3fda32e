"""Ablation-CAM: activations weighted by the share of the class score lost without each channel (Desai and Ramaswamy, 2020)."""

import torch
from torch import Tensor

from ..bench.forward.forward import Stream, join_streams
from ..bench.nets.net import Net
from ._masking import combine, select_targets, sort_live

VERSION = 1
EXPENSIVE = True


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k w_k A_k), w_k = (y - y_k) / y.

    y is the target's logit, and y_k its logit with channel k set to 0. A negative y turns every weight's sign, as in the
    paper's equation and in pytorch-grad-cam. At y = 0 the share is undefined, and w_k is the loss y - y_k itself. Only the
    layers after the activations run again, once for each channel that is not 0 everywhere.
    """

    activations = net.compute_activations(images)  # (n, k, h', w')
    live = activations.flatten(2).any(2)
    live_channels, indices = sort_live(activations, live)
    streams = [_ablate_channels(*pair) for pair in zip(activations, indices, strict=True)]
    logits = net.classify_stream(join_streams(streams))
    maps = []
    scores = select_targets(logits, targets, [stream.count for stream in streams])
    for image_logits, channels in zip(scores, live_channels, strict=True):
        logit, ablated_logits = image_logits[0], image_logits[1:]
        maps.append(combine((logit - ablated_logits) / torch.where(logit == 0, 1, logit), channels))
    return torch.stack(maps)


def _ablate_channels(activations: Tensor, indices: Tensor) -> Stream:
    """Return the activations (k, h', w') as they are, then without each of the channels with these indices."""
    kept = torch.ones(1 + len(indices), len(activations), dtype=torch.bool, device=activations.device)
    kept[1:].scatter_(1, indices[:, None], value=False)
    return Stream(len(kept), lambda start, stop: activations * kept[start:stop, :, None, None])
