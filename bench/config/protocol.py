"""A protocol: the choices that fix what a number means, under a name and a version. It is data: a file of bench/protocols/.

A spec is a name, `rise`, or a name with single choices overridden, which then stand in its name: `rise[steps=224]`,
`opticam[target=predicted]`. A choice is one of the protocol's own, or a setting of any of its metrics.
"""

import tomllib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core import plugins, specs
from ..core.errors import UsageError, nearest
from ..core.plugins import METRIC, Plugin
from ..core.settings import checked

FOLDER = Path(__file__).parent / "protocols"
DEFAULT = "default"
Fit = Literal[
    "bilinear", "corners", "bicubic", "nearest"
]  # corners: bilinear with align_corners=True; else half-pixel centres
Stretch = Literal["min-max", "max", "none"]
WORDS = ("name", "version", "description", "source", "metrics")  # no choices


class Protocol(BaseModel):
    """The choices; where one is None, it is the data set's, the method's or the net's own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: int = Field(ge=1)
    description: str
    source: str  # where the choices were read
    target: Literal["predicted", "label"] = "predicted"  # the class explained and scored
    of: Literal["logit", "softmax", "log_softmax", "rest"] | None = None  # what gradient methods differentiate
    resize: Literal["crop", "crop-all", "squash"] | None = None  # how photos become images
    layers: dict[str, str] = {}  # by architecture
    fit: Fit = "bilinear"
    stretch: Stretch = "min-max"
    order: Literal["fit-stretch", "stretch-fit"] = "fit-stretch"
    score: Literal["softmax", "logit"] = "softmax"
    metrics: dict[str, dict[str, Any]] | None = (
        None  # settings by metric's spec; None: all metrics, as they are by default
    )

    def measured(self, spec: str, seed: int) -> list[Plugin]:
        """The metric of a spec as this protocol has it: several where it defines it in several ways, none where it does not.

        What the spec itself sets goes before the protocol's settings.
        """
        asked, metrics = specs.parse("metric", spec), self.metrics
        if metrics is None:
            return [plugins.find(METRIC, spec, seed)]
        found = []
        for way, settings in metrics.items():
            own = specs.parse("metric", way)
            if own.name == asked.name and all(
                asked.chosen.get(key, value) == value for key, value in own.chosen.items()
            ):
                named = specs.Spec(own.name, asked.short, own.chosen | asked.chosen).label(own.name)
                found.append(laid(plugins.find(METRIC, named, seed), settings | own.chosen | asked.chosen))
        return found

    def defined(self) -> list[str]:
        """The names of its metrics."""
        if self.metrics is None:
            return plugins.names(METRIC)
        return list(dict.fromkeys(specs.parse("metric", way).name for way in self.metrics))

    @property
    def spec(self) -> str:
        return self.name

    def choices(self) -> dict[str, Any]:
        """What fixes the meaning of the numbers: all but the words."""
        return self.model_dump(exclude={"description", "source", "metrics"})


def names() -> list[str]:
    """The shipped protocols, the default first."""
    found = sorted(path.stem for path in FOLDER.glob("*.toml"))
    return sorted(found, key=lambda name: name != DEFAULT)


def find(spec: str, target: str | None = None) -> Protocol:
    """The protocol of a spec, explaining another target if one is given. Raises UsageError for an unknown name or choice."""
    asked = specs.parse("protocol", spec)
    if asked.name not in names():
        raise UsageError(f"there is no protocol {asked.name!r}: {nearest(asked.name, names())}")
    content = {"name": asked.name} | tomllib.loads(_read(asked.name))
    if target not in (None, asked.chosen.get("target", content.get("target", "predicted"))):
        if "target" in asked.chosen:
            raise UsageError(f"{spec} and the target {target!r} contradict each other: name one of the two")
        asked.chosen["target"] = target
    for key, value in asked.chosen.items():
        content = _overridden(content, spec, key, value)
    content["name"] = asked.label(asked.name)
    try:
        return Protocol(**content)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"protocol {spec}, {first['loc'][0]}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def _overridden(content: dict[str, Any], spec: str, key: str, value: Any) -> dict[str, Any]:
    if key == "layers":
        raise UsageError(f"{spec}: layers cannot be set in a spec, they are those of the protocol's file")
    if key in Protocol.model_fields and key not in WORDS:
        return content | {key: value}
    settings: dict[str, dict[str, Any]] = content.get("metrics") or {name: {} for name in plugins.names(METRIC)}
    taking = [name for name in settings if key in plugins.find(METRIC, name).settings]
    if not taking:
        raise UsageError(f"{spec}: neither the protocol nor any of its metrics has a choice {key!r}")
    return content | {"metrics": settings | {name: settings[name] | {key: value} for name in taking}}


@cache
def _read(name: str) -> str:
    return (FOLDER / f"{name}.toml").read_text()


def laid(plugin: Plugin, settings: dict[str, Any]) -> Plugin:
    """A plug-in with other settings, under the same spec: the protocol's name says that they are not its own."""
    return replace(plugin, settings=checked("plug-in", plugin.name, plugin.function, plugin.settings | settings))
