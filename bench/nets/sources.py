"""Parses the spec of a net: which source loads it, with which settings."""

from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

from ..core import specs
from ..core.errors import UsageError, list_known_names
from ..core.settings import check_settings
from . import architecture_settings, timm_nets, user_nets, vgg16_gap, zoo
from .loaded import LoadedModel
from .preprocessing import Preprocess, parse_preprocess
from .readings import OutputSettings, check_scores


@dataclass(frozen=True)
class Source:
    """A net's spec, parsed: its name in records, and how to load it."""

    name: str
    spec: specs.Spec
    weights: Path | None
    classes: Path | None
    preprocess: Preprocess | None
    layer: str | None
    output_settings: OutputSettings
    settings: dict[str, Any]  # of the factory, library or architecture alone
    prefix: str = ""  # of the names of the net's weights in their file; empty if it is to be found

    def load(self) -> LoadedModel:
        """Load the model, with the classes and preprocessing of the spec. Raise UsageError if it cannot be loaded."""
        model = replace(self._load(), settings=self.output_settings)
        if self.classes:
            model = replace(model, classes=read_class_names(self.classes))
        return replace(model, preprocess=self.preprocess) if self.preprocess else model

    def _load(self) -> LoadedModel:
        name, _, weights = self.spec.name.partition("@")
        if self.spec.name == vgg16_gap.NAME:
            return vgg16_gap.load_model(self.weights, lambda base: parse_source(base).load())
        if self.spec.short is None:
            if self.weights:
                return zoo.load_architecture(name, self.weights, self.settings, self.prefix)
            return zoo.load_torchvision(name, weights, self.settings) if weights else zoo.load_shipped(name)
        if name == "timm":
            return timm_nets.load_timm(self.spec.short, self.weights, self.prefix, **self.settings)
        return user_nets.load_user_net(name, self.spec.short, self.settings, self.weights, self.prefix)


def parse_source(text: str) -> Source:
    """Return the source of a net's spec. Raise UsageError for text that is no spec, and for a net that does not exist."""
    spec = specs.parse("net", text, str)
    common = {key: spec.settings[key] for key in signature(_declare_common_settings).parameters if key in spec.settings}
    own_settings = {key: value for key, value in spec.settings.items() if key not in common}
    if spec.short is None:
        _check_architecture(spec.name, text, has_weights="weights" in common)
        own_settings = _check_architecture_settings(spec.name.partition("@")[0], own_settings)
    elif spec.name == "timm":
        own_settings = check_settings("net", spec.name, _declare_timm_settings, own_settings)
    options = check_settings("net", spec.name, _declare_common_settings, common)
    preprocess = parse_preprocess(options["preprocess"], options["mean"], options["std"])
    weights, classes = _make_path(options["weights"]), _make_path(options["classes"])
    if options["prefix"] and weights is None:
        raise UsageError(f"{text} sets the prefix of weights and no weights: add weights=FILE")
    return Source(
        _make_record_name(spec),
        spec,
        weights,
        classes,
        preprocess,
        options["layer"] or None,
        OutputSettings(check_scores(options["scores"]), options["output"]),
        own_settings,
        options["prefix"],
    )


def _check_architecture_settings(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an architecture's own. Raise UsageError for one that it does not have."""
    own = architecture_settings.list_settings(name)
    if unknown := next((key for key in settings if key not in own), None):
        known = list_known_names(unknown, [*own, *signature(_declare_common_settings).parameters])
        raise UsageError(f"net {name!r} has no setting {unknown!r}: {known}")
    architecture_settings.complete_settings(name, settings)
    return settings


def _check_architecture(name: str, text: str, *, has_weights: bool) -> None:
    """Raise UsageError for the name of no architecture, and for a spec that names weights twice."""
    if name.endswith(".py"):
        raise UsageError(f"{name} is a file: name the function in it that makes the net, {name}:factory")
    if name != vgg16_gap.NAME:
        zoo.check_name(name, has_weights=has_weights)
    if "@" in name and has_weights:
        raise UsageError(f"{text} names weights twice: remove one of them")


def _make_record_name(spec: specs.Spec) -> str:
    """Return a net's name in records: its spec, files by their stems, without the file of class names."""
    name = Path(spec.name).stem if spec.name.endswith(".py") else spec.name
    settings = {key: value for key, value in spec.settings.items() if key != "classes"}
    settings |= {"weights": Path(spec.settings["weights"]).stem} if "weights" in spec.settings else {}
    return replace(spec, settings=settings).label(name)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names from a text file, one a line, in the order of the net's classes. Raise UsageError if there are none."""
    if not path.is_file():
        raise UsageError(f"there is no file of class names {path}")
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8: write one class name a line, in UTF-8") from None
    if not names:
        raise UsageError(f"{path} holds no class names: write one a line")
    return names


def _make_path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _declare_common_settings(
    *,
    weights: str = "",
    classes: str = "",
    preprocess: str = "",
    mean: str = "",
    std: str = "",
    layer: str = "",
    prefix: str = "",
    scores: str = "",
    output: str = "",
) -> None:
    """Declare the settings of any net: `check_settings` checks a spec against this signature."""


def _declare_timm_settings(*, pretrained: bool = True) -> None:
    """Declare the settings that only timm's nets have."""
