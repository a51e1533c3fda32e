"""Opti-CAM: the mix of activations that maximises the class score of the image it masks (Zhang et al., CVIU 2024)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ..bench.nets.net import Net
from ..bench.scoring.blend import substrate
from ..bench.scoring.perturbations import Substrate
from ._masking import masks_of, varied

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]

VERSION = 1


def explain(
    net: Net, images: Tensor, targets: Tensor, *, iterations: Count = 100, rate: Rate = 0.1, fill: Substrate = "mean"
) -> Tensor:
    """Maps (n, h', w') of images (n, 3, h, w) for their target classes (n,): S(u) = sum_k softmax(u)_k A_k.

    u starts at 0 and climbs, by Adam, the target's logit of the image masked by S(u), fitted to the image and stretched to
    [0, 1]. Masked pixels become what the metrics fill with by default; the authors' code masks before it normalises
    (fill=black), and stops at the first tenth of the iterations whose score is no better than the last. Each image is
    optimised by itself and in fp32, whatever the precision of perturbed images.
    """
    return torch.stack([_explain(net, *one, iterations, rate, fill) for one in zip(images, targets, strict=True)])


def _explain(net: Net, image: Tensor, target: Tensor, iterations: int, rate: float, fill: Substrate) -> Tensor:
    with torch.no_grad():
        activations = net.features(image[None])[0]  # (k, h', w')
    # A constant channel moves and scales S(u), which stretching undoes.
    live, blank = activations[varied(activations)], substrate(image, fill)
    if not len(live):
        return torch.zeros_like(activations[0])
    u = torch.zeros(len(live), device=image.device, requires_grad=True)
    adam = torch.optim.Adam([u], lr=rate, maximize=True)
    for _ in range(iterations):
        mask = masks_of(torch.tensordot(u.softmax(0), live, 1)[None], image)
        score = net(torch.lerp(blank, image, mask)[None])[0, target]
        (u.grad,) = torch.autograd.grad(score, u)
        adam.step()
    return torch.tensordot(u.detach().softmax(0), live, 1)
