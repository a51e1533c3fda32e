"""The methods of the library torchcam as it computes them: `torchcam:GradCAM`, `torchcam:SSCAM`."""

import math
from collections.abc import Sequence
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, Field, ValidationInfo
from torch import Tensor, nn

from ..bench.core.errors import NotApplicable
from ..bench.nets.net import Net
from ._library import check_layers, check_variant, split_net
from ._seeds import make_seeds

VERSION = 2
REQUIRES: tuple[str, ...] = ("torchcam",)
EXTRA = "references"


LAYERS = {
    "RefineCAM": (2, math.inf, "multiplies the maps of several layers: set layers=layer3+layer4"),
    "CAM": (0, 1, "explains one layer, not several: set one, or none"),
}


def _check_variant(variant: str) -> str:
    from torchcam.methods import activation, gradient

    return check_variant("torchcam", variant, [*activation.__all__, *gradient.__all__])


def _check_layers(layers: str, info: ValidationInfo) -> str:
    return check_layers("torchcam", info.data.get("variant", ""), layers, LAYERS)


Variant = Annotated[str, AfterValidator(_check_variant)]
Layers = Annotated[str, Field(validate_default=True), AfterValidator(_check_layers)]


def explain(
    net: Net,
    images: Tensor,
    targets: Tensor,
    seeds: Sequence[int] | None = None,
    *,
    variant: Variant = "GradCAM",
    layers: Layers = "",
    seed: int = 0,
) -> Tensor:
    """Return maps (n, h', w') of images (n, 3, h, w) for their target classes (n,), raw as the library returns them.

    The library gets normalised images, as in its documentation, so masked pixels become the mean colour. `layers`
    (layer3+layer4) are explained instead of the net's explained layer, and the library fuses their maps. The noise of SSCAM and
    SmoothGradCAMpp depends on the seed and the image alone. Raise NotApplicable for LeGrad, and for CAM if more than one layer
    with weights follows the explained layer.
    """
    if variant == "LeGrad":
        raise NotApplicable(f"torchcam's LeGrad explains the attention of a transformer, and {net.name} has none")
    normalise, parts = split_net(net, layers)
    settings = {"fc_layer": _find_classifier(net, parts[-1])} if variant == "CAM" else {}
    maps = []
    with torch.random.fork_rng(devices=[]):  # the library draws its noise from torch's global generator on the CPU
        for image, target, image_seed in zip(images, targets.tolist(), make_seeds(images, seeds, seed), strict=True):
            torch.default_generator.manual_seed(image_seed)
            maps.append(_explain(parts, normalise(image[None]), target, variant, settings))
    return torch.cat(maps)


def _explain(
    parts: Sequence[nn.Sequential], image: Tensor, target: int, variant: str, settings: dict[str, Any]
) -> Tensor:
    """Return the library's map (1, h', w') of an image (1, 3, h, w); of several layers, the fused map."""
    from torchcam import methods

    model: Any = nn.Sequential(*parts).eval()
    with getattr(methods, variant)(model, parts[:-1], **settings) as extractor:
        # The net is frozen, and the library's gradient methods need gradients at its layers.
        scores = model(image.requires_grad_(not isinstance(extractor, methods.CAM | methods.ScoreCAM)))
        maps: list[Tensor] = extractor([target], scores, normalized=len(parts) > 2)
        return (extractor.fuse_cams(maps) if len(maps) > 1 else maps[0]).detach()


def _find_classifier(net: Net, head: nn.Module) -> nn.Module:
    """Return the only layer with weights in the head. Raise NotApplicable if there is more than one."""
    weighted = [layer for layer in head.modules() if next(layer.parameters(recurse=False), None) is not None]
    if len(weighted) != 1:
        raise NotApplicable(f"torchcam's CAM needs one layer after {net.layer}, and {net.name} has {len(weighted)}")
    return weighted[0]
