"""Score-CAM: activations weighted by the class score of the image that each of them masks (Wang et al., CVPRW 2020)."""

import torch
from torch import Tensor

from ..bench.forward import Stream
from ..bench.maps import fit, stretch
from ..bench.nets import Net
from ..bench.perturb import Substrate, substrate

VERSION = 1


@torch.inference_mode()
def explain(net: Net, images: Tensor, targets: Tensor, *, fill: Substrate = "mean") -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): ReLU(sum_k s_k A_k).

    s_k is the softmax score of the image masked by A_k, fitted to the image and stretched to [0, 1]: the authors' code, which
    differs from the libraries' (softmax over channels, logits, or the plain image's score subtracted). `fill` is what masked
    pixels become; the authors mask the normalised image, so the mean colour. Constant channels have no mask: they are
    skipped, as in the authors' code.
    """
    activations = net.features(images)  # (n, k, h', w')
    return torch.stack([_explain(net, *one, fill) for one in zip(images, activations, targets, strict=True)])


def _explain(net: Net, image: Tensor, activations: Tensor, target: Tensor, fill: Substrate) -> Tensor:
    live = activations[activations.amax((1, 2)) > activations.amin((1, 2))]
    blank = substrate(image, fill)

    def masked(start: int, stop: int) -> Tensor:
        masks = stretch(fit(live[start:stop], (image.shape[1], image.shape[2])))
        return torch.lerp(blank, image, masks[:, None])

    if not len(live):
        return torch.zeros_like(activations[0])
    weights = net.scores(Stream(len(live), masked))[:, target].to(live.dtype)
    return torch.tensordot(weights, live, 1).relu()
