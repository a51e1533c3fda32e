"""Nets by their specs: which of the sources makes a net, with which of its settings."""

from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

from ..core import specs
from ..core.errors import UsageError
from ..core.settings import checked
from . import preprocessing, user_nets, vgg16_gap, zoo
from .loaded import Made
from .preprocessing import Preprocess


@dataclass(frozen=True)
class Source:
    """A net's spec, read: its name in records, and what it is made of."""

    name: str
    asked: specs.Spec
    weights: Path | None
    classes: Path | None
    preprocess: Preprocess | None
    layer: str | None
    others: dict[str, Any]  # the maker's own settings

    def make(self) -> Made:
        """The net, with what the user said of it. Raises UsageError for what cannot be had."""
        made = self._made()
        if self.classes:
            made = replace(made, classes=names(self.classes))
        return replace(made, preprocess=self.preprocess) if self.preprocess else made

    def _made(self) -> Made:
        name, _, weights = self.asked.name.partition("@")
        if self.asked.name == vgg16_gap.NAME:
            return vgg16_gap.made(self.weights, lambda spec: read(spec).make())
        if self.asked.short is None:
            if self.weights:
                return zoo.trained(name, self.weights)
            return zoo.torchvisions(name, weights) if weights else zoo.shipped(name)
        if name == "timm":
            return zoo.timms(self.asked.short, self.weights, **self.others)
        return user_nets.made(name, self.asked.short, self.others, self.weights)


def read(spec: str) -> Source:
    """The source of a spec. Raises UsageError for what is no spec of a net, or names a net of this suite that there is not."""
    asked = specs.parse("net", spec, str)
    own = {key: asked.chosen[key] for key in signature(_options).parameters if key in asked.chosen}
    others = {key: value for key, value in asked.chosen.items() if key not in own}
    if asked.short is None:
        if asked.name.endswith(".py"):
            raise UsageError(f"{asked.name} is a file: name what makes the net in it, {asked.name}:factory")
        if asked.name != vgg16_gap.NAME:
            zoo.check(asked.name)
        if "@" in asked.name and "weights" in own:
            raise UsageError(f"{spec} names weights twice: leave out the one or the other")
        own |= others  # there are no others, which `checked` says
        others = {}
    elif asked.name == "timm":
        others = checked("net", asked.name, _timm, others)
    said = checked("net", asked.name, _options, own)
    name = Path(asked.name).stem if asked.name.endswith(".py") else asked.name
    shown = {key: value for key, value in asked.chosen.items() if key != "classes"}
    shown |= {"weights": Path(own["weights"]).stem} if "weights" in own else {}
    return Source(
        replace(asked, chosen=shown).label(name), asked, _path(said["weights"]), _path(said["classes"]),
        preprocessing.preprocess(said["preprocess"], said["mean"], said["std"]), said["layer"] or None, others,
    )  # fmt: skip


def names(path: Path) -> tuple[str, ...]:
    """Class names from a text file, one a line, in the order of the net's classes."""
    if not path.is_file():
        raise UsageError(f"there is no file of class names {path}")
    try:
        found = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8: write the class names so, one a line") from None
    if not found:
        raise UsageError(f"{path} names no class: write one a line")
    return found


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _options(
    *, weights: str = "", classes: str = "", preprocess: str = "", mean: str = "", std: str = "", layer: str = ""
) -> None:
    """The settings of any net."""


def _timm(*, pretrained: bool = True) -> None:
    """Those of timm's nets, beside them."""
