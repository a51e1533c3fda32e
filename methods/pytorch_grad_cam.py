"""The methods of the library pytorch-grad-cam, as it computes them: `pytorch_grad_cam:GradCAM`, `pytorch_grad_cam:ScoreCAM`."""

import contextlib
import io
from typing import Literal

import torch
from torch import Tensor

from ..bench.errors import UsageError
from ..bench.nets import Net

VERSION = 1


def explain(
    net: Net, images: Tensor, targets: Tensor, *, variant: Literal["GradCAM", "ScoreCAM"] = "GradCAM"
) -> Tensor:
    """Maps (n, h, w) in [0, 1] of images (n, 3, h, w) for their target classes (n,), fitted to the image by the library.

    Its Score-CAM is not the authors': the weights are a softmax over channels of the masked images' logits. Raises UsageError
    where the library is not installed.
    """
    try:
        import pytorch_grad_cam as library
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        raise UsageError("pytorch_grad_cam needs the library: pip install 'cambench[peers]'") from None
    asked = [ClassifierOutputTarget(int(target)) for target in targets]
    extractor = getattr(library, variant)(model=net, target_layers=[net.features])
    watched = images.clone().requires_grad_()  # the net is frozen, and the library hooks gradients that pass its layer
    with extractor as cam, contextlib.redirect_stderr(io.StringIO()):  # its Score-CAM draws a progress bar an image
        maps = cam(input_tensor=watched, targets=asked)
    return torch.from_numpy(maps).to(images)
