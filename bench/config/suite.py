"""A suite: which methods are compared on which nets and images, by which metrics. `suite_file.py` reads one from TOML."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr

from ..core import plugins, specs
from ..core.choices import LabelOrder
from ..core.errors import UsageError, clean, list_known_names, show_value
from ..core.files import is_root
from ..core.formatting import name_dataset
from ..core.plugins import DATASET, METHOD, METRIC, Plugin
from ..core.settings import MAX_WHOLE
from . import protocol as protocol_file
from .defaults import DEFAULTS
from .protocol import Protocol, Target

Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]  # of perturbed images (see forward/precision.py)
PRECISIONS = get_args(Precision)
MAX_IMAGES = 10**8  # more than any data set holds
NO_LETTERS = re.compile(r"[^A-Za-z0-9_]+")
MOST_LETTERS = 30  # of a data set's name, in that of a directory
RACE_IMAGES = 1000  # of a race, at most
RACE_SECONDS = 600.0  # after which a race ends undecided


def _check_name(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{show_value(text)} has characters that cannot be printed")
    return text


Name = Annotated[str, AfterValidator(_check_name)]  # of a file, or a spec: records hold it


class Race(BaseModel):
    """How a race decides; see bench/stats/race.py."""

    model_config = ConfigDict(extra="forbid")

    confidence: float = Field(
        default=0.95, ge=0.5, lt=1
    )  # that no method drops out which is the best by more than the slack
    slack: float = Field(
        default=0.02, gt=0, lt=1
    )  # the difference that does not matter, as a share of a metric's range


class Suite(BaseModel):
    """What a run computes. Nets, methods, metrics, protocols and the data set are given as specs (see core/specs.py)."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^\w[\w .-]{0,99}$")
    description: str = ""
    dataset: Name = DEFAULTS.dataset  # empty if the user has to name one
    needs: str = Field("images", exclude=True)  # which kind of data set the user has to name then
    images: int = Field(12, ge=1, le=MAX_IMAGES)
    subset: Name | None = None  # a file with the names of the images to use
    seed: int = Field(0, ge=0, le=MAX_WHOLE)
    target: Target | None = None  # None: the protocols' own
    label_order: LabelOrder = "name"  # how the data set's labels become class indices (data/labels.py)
    precision: Precision = "auto"
    compile: bool = False  # compile the forward passes of perturbed images
    drift: int = Field(0, ge=0, le=MAX_IMAGES)  # images that are also scored in fp32
    timed: int = Field(
        8, ge=1, le=MAX_IMAGES
    )  # images on which methods are timed one by one: the first, and at most half of all
    nets: list[Name] = Field(min_length=1)  # in the order of the run: cheap nets first give results soon
    methods: list[Name] = Field(min_length=1)
    protocols: list[Name] = Field(["default"], min_length=1)
    metrics: list[Name] | None = Field(None, min_length=1)  # None: all metrics of the protocols
    parts: list["Suite"] = Field([], exclude=True)  # run one after another, instead of the suite as a whole
    race: Race | None = Field(
        None, exclude=True
    )  # score methods until it is decided which to take, in a random order of images

    _built_in: "Suite | None" = PrivateAttr(None)  # the shipped suite of this name, without changes

    def find_method_plugins(self) -> list[Plugin]:
        """Find the methods. Raise UsageError for an unknown method, or one that is listed twice."""
        return check_distinct([plugins.find(METHOD, spec, self.seed) for spec in self.methods])

    def load_protocols(self) -> list[Protocol]:
        """Load the protocols, with the suite's target instead of their own if it sets one."""
        return check_distinct([protocol_file.find_protocol(spec, self.target) for spec in self.protocols])

    def find_metric_plugins(self, protocols: Sequence[Protocol]) -> list[tuple[Plugin, Protocol]]:
        """Find each metric of the suite under each protocol that defines it. Raise UsageError if no protocol defines one."""
        if self.metrics is not None:
            check_distinct([plugins.find(METRIC, spec, self.seed) for spec in self.metrics])
        for spec in self.metrics or []:
            if not any(protocol.find_metric_plugins(spec, self.seed) for protocol in protocols):
                known = sorted({name for protocol in protocols for name in protocol.list_metric_names()})
                raise UsageError(
                    f"no protocol of {', '.join(self.protocols)} has a metric {spec!r}: {list_known_names(spec, known)}"
                )
        return [
            (metric, protocol)
            for protocol in protocols
            for spec in self.metrics or protocol.list_metric_names()
            for metric in protocol.find_metric_plugins(spec, self.seed)
        ]

    def find_dataset_plugin(self, resize: str | None) -> Plugin:
        """Find the data set, with a protocol's `resize` if it has this setting. Raise UsageError if the suite names none."""
        if not self.dataset:
            raise UsageError(f"this suite needs {self.needs}, which are not included: name the folder with --dataset")
        dataset = find_dataset(self.dataset, self.seed)
        if resize and "resize" in dataset.settings:
            return protocol_file.override_settings(dataset, {"resize": resize})
        return dataset

    def make_directory_name(self) -> str:
        """Make the name of the run's directory: the suite's name, with a hash if it was changed or is the user's own.

        If the data set is not the suite's, its name stands between the two. The hash changes with the code of the user's own
        methods and metrics: results of the code before it stay. Raise UsageError for a method or metric that does not exist.
        """
        content = self.model_dump_json(exclude={"description"})
        if self.race is not None:
            content += self.race.model_dump_json()
        content += "".join(self._list_fingerprints())
        if (built_in := self._built_in) is not None:
            if not built_in.dataset:  # naming the data set that a suite asks for is no change
                built_in = built_in.model_copy(update={"dataset": self.dataset})
            if content == built_in.model_dump_json(exclude={"description"}):
                return self.name
        other = built_in is not None and name_dataset(built_in.dataset) != name_dataset(self.dataset)
        data = NO_LETTERS.sub("-", name_dataset(self.dataset))[:MOST_LETTERS].strip("-") if other else ""
        return "-".join(filter(None, (self.name, data, hashlib.sha256(content.encode()).hexdigest()[:6])))

    def _list_fingerprints(self) -> list[str]:
        """List the fingerprints of the user's own methods and metrics, those of parts included."""
        if self.parts:
            return [fingerprint for part in self.parts for fingerprint in part._list_fingerprints()]
        metrics = [metric for metric, _ in self.find_metric_plugins(self.load_protocols())]
        return [plugin.fingerprint for plugin in (*self.find_method_plugins(), *metrics) if plugin.fingerprint]


Named = TypeVar("Named", Plugin, Protocol)


def find_dataset(spec: str, seed: int | None = None) -> Plugin:
    """Find the data set of a spec, or the one that opens the folder or address, with settings in brackets if there are any.

    Raise UsageError for what does not exist.
    """
    path, bracket, rest = (spec, "", "") if Path(spec).is_dir() else spec.partition("[")
    if specs.ADDRESS not in path and (path in plugins.list_names(DATASET) or not Path(path).is_dir()):
        _check_path(spec)
        return plugins.find(DATASET, spec, seed)
    if is_root(Path(path)):
        raise UsageError(f"{path} is the root of the file system: name a folder of images")
    settings = specs.parse(DATASET.word, f"folder[{rest}").settings if bracket else {}
    return plugins.open_folder(DATASET, path, seed, settings)


def _check_path(spec: str) -> None:
    """Raise UsageError for the path of no folder, which is no name of a data set either."""
    path = spec.partition("[")[0]
    name = path.partition(":")[0]
    is_path = "\\" in path or (re.search(r"[/.~]", name) is not None and not name.endswith(".py"))
    if is_path and name not in plugins.list_names(DATASET):
        if Path(spec).is_file():
            raise UsageError(f"{spec} is a file: name the folder of the images, and unpack them if it is an archive")
        raise UsageError(f"there is no folder {clean(spec)}")


def check_distinct(listed: list[Named]) -> list[Named]:
    """Return the list. Raise UsageError if two entries have the same spec."""
    for spec, count in Counter(entry.spec for entry in listed).items():
        if count > 1:
            same = [entry for entry in listed if entry.spec == spec]
            origins = {isinstance(entry, Plugin) and entry.foreign for entry in same}
            if len(origins) == 2:
                raise UsageError(f"{spec} comes with cambench, and another one has its name: rename that one's file")
            raise UsageError(f"{spec} is named twice")
    return listed
