"""A protocol: the choices that fix what a number means, under a name and a version, read from a TOML file in `protocols/`.

A spec is a name, `rise`, or a name with some choices overridden: `rise[steps=224]`, `opticam[target=predicted]`. A choice is
a key of the protocol, or a setting of any of its metrics; overridden choices become part of the protocol's name.
"""

import re
import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..core import plugins, specs
from ..core.errors import UsageError, list_known_names, show_value
from ..core.plugins import METRIC, Plugin
from ..core.settings import check_settings
from ..core.specs import DEFAULT

FOLDER = Path(__file__).parent / "protocols"
Fit = Literal["bilinear", "corners", "bicubic", "nearest"]  # corners: bilinear with align_corners=True
Stretch = Literal["min-max", "max", "none"]
Order = Literal["fit-stretch", "stretch-fit"]
PREDICTED, LABEL = "predicted", "label"  # the targets that are no class
DESCRIPTIVE = ("name", "version", "description", "source", "metrics")  # keys that a spec cannot override


def _name_target(text: str) -> str:
    """Write a target in one way: the likeliest class is the predicted one, and an index has no zeros before it."""
    if not text.isprintable() or not text.strip():
        raise ValueError(f"{show_value(text)} names no class")
    return _normalise_target(text)


def _normalise_target(target: Any) -> str:
    """Write a target, or a number that stands for one, as `_name_target` does, without checking it."""
    text = re.sub(r"^(top)?0+(?=[0-9]+$)", r"\1", str(target).strip())
    return PREDICTED if text == "top1" else text


Target = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_name_target)]
"""The class explained and scored: predicted, label, or one class for all images, as `bench explain --target` takes it."""


class Protocol(BaseModel):
    """The choices of a protocol. None leaves a choice to the data set, the method or the net."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: int = Field(ge=1)
    description: str
    source: str  # the paper or code that makes these choices
    target: Target = PREDICTED
    of: Literal["logit", "softmax", "log_softmax", "rest"] | None = None  # what gradient methods differentiate
    resize: Literal["crop", "crop-all", "squash"] | None = None  # how photos become images
    layers: dict[str, str] = {}  # by architecture
    fit: Fit = "bilinear"
    stretch: Stretch = "min-max"
    order: Order = "fit-stretch"
    score: Literal["softmax", "logit"] = "softmax"
    metrics: dict[str, dict[str, Any]] | None = None  # settings by metric spec; None: all metrics with their defaults

    def find_metric_plugins(self, spec: str, seed: int) -> list[Plugin]:
        """Find the metric of a spec under this protocol: several if it defines several variants, none if it defines none.

        Settings in the spec take precedence over the protocol's.
        """
        requested = specs.parse("metric", spec)
        if self.metrics is None:
            return [plugins.find(METRIC, spec, seed)]
        variants = []
        for variant, settings in self.metrics.items():
            defined = specs.parse("metric", variant)
            if defined.name == requested.name and _agree(defined.settings, requested.settings):
                merged = defined.settings | requested.settings
                label = specs.Spec(defined.name, requested.short, merged).label(defined.name)
                variants.append(override_settings(plugins.find(METRIC, label, seed), settings | merged))
        return variants

    def list_metric_names(self) -> list[str]:
        """List the names of the metrics that this protocol defines."""
        if self.metrics is None:
            return plugins.list_names(METRIC)
        return list(dict.fromkeys(specs.parse("metric", variant).name for variant in self.metrics))

    @property
    def spec(self) -> str:
        return self.name

    def list_choices(self) -> dict[str, Any]:
        """List everything that fixes the meaning of the numbers: all keys but the description, the source and the metrics."""
        return self.model_dump(exclude={"description", "source", "metrics"})


def list_names() -> list[str]:
    """List the shipped protocols, the default first."""
    return sorted((path.stem for path in FOLDER.glob("*.toml")), key=lambda name: (name != DEFAULT, name))


def find_protocol(spec: str, target: str | None = None) -> Protocol:
    """Find the protocol of a spec, with another target if one is given. Raise UsageError for an unknown name or choice.

    A target that is a class is not part of the protocol's name, because its name need not be one that a spec can have.
    """
    requested = specs.parse("protocol", spec)
    if requested.name not in list_names():
        raise UsageError(f"there is no protocol {requested.name!r}: {list_known_names(requested.name, list_names())}")
    content = {"name": requested.name} | tomllib.loads(_read(requested.name))
    own = _normalise_target(requested.settings.get("target", content.get("target", PREDICTED)))
    if target is not None and (target := _normalise_target(target)) != own:
        if "target" in requested.settings:
            raise UsageError(f"{spec} and the target {target!r} contradict each other: name one of the two")
        (requested.settings if target in (PREDICTED, LABEL) else content)["target"] = target
    for key, value in requested.settings.items():
        content = _override(content, spec, key, value)
    content["name"] = requested.label(requested.name)
    try:
        return Protocol(**content)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"protocol {spec}, {first['loc'][0]}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _override(content: dict[str, Any], spec: str, key: str, value: Any) -> dict[str, Any]:
    """Override a choice of a protocol's content, or a setting of its metrics. Raise UsageError for an unknown choice."""
    if key == "layers":
        raise UsageError(f"{spec}: layers cannot be set in a spec: the protocol's file sets them")
    if key in Protocol.model_fields and key not in DESCRIPTIVE:
        return content | {key: value}
    settings: dict[str, dict[str, Any]] = content.get("metrics") or {name: {} for name in plugins.list_names(METRIC)}
    accepting = [name for name in settings if key in plugins.find(METRIC, name).settings]
    if not accepting:
        raise UsageError(f"{spec}: neither the protocol nor any of its metrics has a choice {key!r}")
    return content | {"metrics": settings | {name: settings[name] | {key: value} for name in accepting}}


def _agree(defined: dict[str, Any], requested: dict[str, Any]) -> bool:
    """Tell whether no setting has two different values."""
    return all(requested.get(key, value) == value for key, value in defined.items())


@cache
def _read(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def override_settings(plugin: Plugin, settings: dict[str, Any]) -> Plugin:
    """Return the plug-in with other settings under the same spec: the protocol's name stands for what it overrides."""
    return replace(plugin, settings=check_settings("plug-in", plugin.name, plugin.function, plugin.settings | settings))
