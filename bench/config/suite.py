"""A suite: which methods are compared on which nets and images, by which metrics. A TOML file, read and checked."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from ..core import plugins, specs
from ..core.errors import UsageError, nearest
from ..core.plugins import DATASET, METHOD, METRIC, Plugin
from . import protocol
from .protocol import Protocol

Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]  # of perturbed images (see precision.py)
PRECISIONS = get_args(Precision)


class Suite(BaseModel):
    """What is run; the names are specs (see plugins.py)."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^\w[\w .-]{0,99}$")
    description: str = ""
    dataset: str = "scenes"  # empty where the suite has none: it is to be named
    needs: str = Field("images", exclude=True)  # which then, in words
    images: int = Field(12, ge=1)
    subset: str | None = None  # a file that lists the images to take, all of them unless `images` is said too
    seed: int = Field(0, ge=0)
    target: Literal["predicted", "label"] | None = None  # the protocols' own
    precision: Precision = "auto"
    compile: bool = False  # the forward passes of perturbed images
    drift: int = Field(0, ge=0)  # images that are scored in fp32 as well
    nets: list[str] = Field(min_length=1)  # the cheap ones first: the first results come first
    methods: list[str] = Field(min_length=1)
    protocols: list[str] = Field(["default"], min_length=1)
    metrics: list[str] | None = Field(None, min_length=1)  # all that the protocols measure
    parts: list["Suite"] = Field([], exclude=True)  # run one after the other, instead of the whole (see suite_file.py)

    _built_in: "Suite | None" = PrivateAttr(None)  # the suite that ships under this name, as its file has it

    def explained(self) -> list[Plugin]:
        """The methods. Raises UsageError for what there is not, or for one named twice."""
        return distinct([plugins.find(METHOD, spec, self.seed) for spec in self.methods])

    def followed(self) -> list[Protocol]:
        """The protocols, explaining the suite's target where it names one."""
        return distinct([protocol.find(spec, self.target) for spec in self.protocols])

    def measured(self, followed: Sequence[Protocol]) -> list[tuple[Plugin, Protocol]]:
        """Each metric that is asked for, by each protocol that defines it. Raises UsageError for one that none defines."""
        if self.metrics is not None:
            distinct([plugins.find(METRIC, spec, self.seed) for spec in self.metrics])
        for spec in self.metrics or []:
            if not any(one.measured(spec, self.seed) for one in followed):
                known = sorted({name for one in followed for name in one.defined()})
                raise UsageError(
                    f"no protocol of {', '.join(self.protocols)} has a metric {spec!r}: {nearest(spec, known)}"
                )
        return [
            (metric, one)
            for one in followed
            for spec in self.metrics or one.defined()
            for metric in one.measured(spec, self.seed)
        ]

    def images_of(self, resize: str | None) -> Plugin:
        """The data set; photos become images as a protocol has it, where the data set has that choice."""
        if not self.dataset:
            raise UsageError(f"this suite needs {self.needs}, which it does not ship: name the folder with --dataset")
        folder = specs.ADDRESS in self.dataset.partition("[")[0] or (
            self.dataset not in plugins.names(DATASET) and Path(self.dataset).is_dir()
        )
        found = (plugins.open_folder if folder else plugins.find)(DATASET, self.dataset, self.seed)
        return protocol.laid(found, {"resize": resize}) if resize and "resize" in found.settings else found

    def directory(self) -> str:
        """The name of the run's directory: the suite's own, and a mark where it was changed, so that runs do not clash."""
        content = self.model_dump_json(exclude={"description"})
        if (built_in := self._built_in) is not None:  # a data set that is to be named is no change
            named = built_in if built_in.dataset else built_in.model_copy(update={"dataset": self.dataset})
            if content == named.model_dump_json(exclude={"description"}):
                return self.name
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:6]}"


Named = TypeVar("Named", Plugin, Protocol)


def distinct(asked: list[Named]) -> list[Named]:
    """The same list. Raises UsageError where something is in it twice."""
    for spec, count in Counter(one.spec for one in asked).items():
        if count > 1:
            raise UsageError(f"{spec} is named twice")
    return asked
