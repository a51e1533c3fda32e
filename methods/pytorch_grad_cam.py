"""The methods of the library pytorch-grad-cam as it computes them: `pytorch_grad_cam:GradCAM`, `pytorch_grad_cam:EigenCAM`."""

import contextlib
import inspect
import io
import math
from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import AfterValidator, Field, ValidationInfo
from torch import Tensor, nn

from ..bench.nets.net import Net
from ._library import check_layers, check_variant, split_net
from ._seeds import make_seeds

VERSION = 2
REQUIRES: tuple[str, ...] = ("pytorch_grad_cam",)
EXTRA = "references"


LAYERS = {
    "RefineCAM": (2, math.inf, "multiplies the maps of several layers: set layers=layer3+layer4"),
    "ShapleyCAM": (0, 1, "explains one layer, not several: set one, or none"),
    "FullGrad": (0, 0, "explains every layer that has a bias: set no layers"),
}


def _check_variant(variant: str) -> str:
    """Return the name of one of the library's CAM methods: the classes that explain a target."""
    import pytorch_grad_cam as library

    classes = {name: member for name, member in vars(library).items() if hasattr(member, "forward")}
    variants = [name for name, member in classes.items() if "targets" in inspect.signature(member.forward).parameters]
    return check_variant("pytorch_grad_cam", variant, variants)


def _check_layers(layers: str, info: ValidationInfo) -> str:
    return check_layers("pytorch_grad_cam", info.data.get("variant", ""), layers, LAYERS)


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
    """Return maps (n, h, w) in [0, 1] of images (n, 3, h, w) for their target classes (n,), fitted to the image by the library.

    The library gets normalised images, as in its documentation, so masked pixels become the mean colour. `layers`
    (layer3+layer4) are explained instead of the net's explained layer. RandomCAM's numbers, and the start of KPCA_CAM's search,
    depend on the seed and the image alone.
    """
    normalise, parts = split_net(net, layers)
    maps = []
    for image, target, image_seed in zip(images, targets.tolist(), make_seeds(images, seeds, seed), strict=True):
        # Progress bars, and FullGrad's warning, are not printed.
        output, errors = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
        with _seed_numpy(image_seed), output, errors:
            maps.append(_explain(parts, normalise(image[None]), target, variant))
    return torch.cat(maps)


def _explain(parts: Sequence[nn.Sequential], image: Tensor, target: int, variant: str) -> Tensor:
    import pytorch_grad_cam as library
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST, ClassifierOutputTarget

    start = _RequireGradients()
    extractor = getattr(library, variant)(model=nn.Sequential(start, *parts), target_layers=parts[:-1])
    start.active = getattr(extractor, "uses_gradients", True)
    # ReST is ShapleyCAM's own score: the library cannot take the Hessian of a logit that is linear in the activations.
    score = ClassifierOutputReST(target) if variant == "ShapleyCAM" else ClassifierOutputTarget(target)
    arguments = {"targets": None, "target_idx": target} if variant == "FinerCAM" else {"targets": [score]}
    with extractor if hasattr(extractor, "__exit__") else contextlib.nullcontext():
        maps = extractor(input_tensor=image, **arguments)
    return torch.from_numpy(maps).to(image)


class _RequireGradients(nn.Module):
    """Makes the image require gradients, because the net is frozen and the library needs gradients at its layers."""

    active = True

    def forward(self, images: Tensor) -> Tensor:
        return images if images.requires_grad or not self.active else images.detach().requires_grad_()


@contextlib.contextmanager
def _seed_numpy(seed: int) -> Iterator[None]:
    """Seed NumPy's global generator, from which the library draws, and restore its state afterwards."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
