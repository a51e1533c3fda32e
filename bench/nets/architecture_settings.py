"""Settings of torchvision's architectures that change what a net computes and that its weights do not show.

torchvision's other settings show in the names or shapes of the weights, take effect in training alone (dropout, drop rates,
initial values), or are Python objects (norm_layer, block): a function of the user's own builds such a net.
"""

import re
from collections.abc import Callable
from inspect import signature
from typing import Annotated, Any

from pydantic import BeforeValidator

from ..core.settings import check_settings

UNSEEN = ("aux_logits",)  # settings without an effect on a net in eval mode


def _split_flags(text: Any) -> Any:
    """Split `false+false+true` into its parts."""
    return text.split("+") if isinstance(text, str) else text


BARE = {"transform_input": False}  # settings of torchvision's builders where the ones that are assumed differ
Flags = Annotated[tuple[bool, bool, bool], BeforeValidator(_split_flags)]  # of the last three stages of a ResNet


def _declare_inception(*, transform_input: bool = True, aux_logits: bool = False) -> None:
    """Declare transform_input: whether images normalised for ImageNet are brought to [-1, 1], as torchvision's weights need."""


def _declare_bottleneck(*, replace_stride_with_dilation: Flags = (False, False, False)) -> None:
    """Declare the stages of a ResNet that are dilated instead of strided."""


def _declare_mobilenet(*, dilated: bool = False) -> None:
    """Declare whether the last stage is dilated instead of strided."""


def _declare_maxvit(*, input_size: int = 224) -> None:
    """Declare the side of the images that the net takes, in pixels."""


def _declare_none() -> None:
    """Declare no setting."""


DECLARATIONS: dict[str, Callable[..., None]] = {  # by a regular expression of torchvision's names
    "googlenet|inception_v3": _declare_inception,
    r"resnet(50|101|152)|resnext.*|wide_resnet.*": _declare_bottleneck,
    "mobilenet_v3_.*": _declare_mobilenet,
    "maxvit_t": _declare_maxvit,
}


def list_settings(architecture: str) -> list[str]:
    """Return the names of an architecture's settings."""
    return list(signature(_find_declaration(architecture)).parameters)


def complete_settings(architecture: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """Return all arguments of torchvision's builder that settings stand for. Raise UsageError for an invalid value."""
    settings = check_settings("net", architecture, _find_declaration(architecture), chosen)
    if "input_size" in settings:
        settings["input_size"] = (settings["input_size"],) * 2
    return settings


def list_assumptions(architecture: str, chosen: dict[str, Any]) -> tuple[str, ...]:
    """Return what is assumed about an architecture's settings that the user did not choose, in sentences for the report."""
    parameters = signature(_find_declaration(architecture)).parameters.values()
    unsaid = [parameter for parameter in parameters if parameter.name not in (*chosen, *UNSEEN)]
    return tuple(
        f"{parameter.name}={_format(parameter.default)} is assumed, which weights do not show: "
        f"[{parameter.name}=...] changes it"
        for parameter in unsaid
    )


def describe_reading(architecture: str, chosen: dict[str, Any]) -> str:
    """Describe the settings, chosen or assumed, in which a net differs from the one that torchvision builds without any."""
    settings = complete_settings(architecture, chosen)
    return ", ".join(f"{name}={_format(value)}" for name, value in settings.items() if value != BARE.get(name, value))


def _find_declaration(architecture: str) -> Callable[..., None]:
    found = (declare for pattern, declare in DECLARATIONS.items() if re.fullmatch(pattern, architecture))
    return next(found, _declare_none)


def _format(value: Any) -> str:
    """Write a value as a spec has it."""
    return "+".join(map(_format, value)) if isinstance(value, tuple) else str(value).lower()
