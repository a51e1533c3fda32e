"""A run's header, `run.json`: the suite, what each net, method and metric is, the data, and the environment of the run."""

import json
from collections.abc import Iterable
from functools import cached_property
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..core import specs
from ..core.choices import LabelOrder, Link
from ..core.errors import CONTROL, UsageError
from ..core.files import write_text
from .layout import FILE
from .shipped import choose_remedy, is_shipped

FORMAT = 3
FURTHER_DEVICE = "further device"  # of an environment: it computed scores too, but none of the seconds
UNREAD = "unread"  # in the fingerprint of the data, for an image that could not be read

DEPTH = 12  # of nested objects and lists, at most
LARGEST = 2**63 - 1  # whole number
TOO_DEEP = "its objects and lists are nested too deeply"
MESSAGES = {"missing": "it has no {key!r}", "extra_forbidden": "this version knows no {key!r}"}

Settings = dict[str, Any]  # by name
Range = Annotated[list[float | None], Field(min_length=2, max_length=2)]  # None: unbounded
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """Types are strict; nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class RaceHeader(_Part):
    """How a race decides: how sure it is, and the difference that does not matter, as a share of a metric's range."""

    confidence: Annotated[float, Field(gt=0, lt=1)]
    slack: Annotated[float, Field(gt=0, lt=1)]


class SuiteHeader(_Part):
    """The suite as it was run. The default of a key that older versions did not write is the value that they used."""

    name: str
    description: str = ""
    dataset: str
    images: Count
    subset: str | None = None
    seed: int
    target: str | None
    label_order: LabelOrder = "name"
    precision: str
    compile: bool = False
    drift: Count = 0
    timed: Count = 8
    nets: list[str] = Field(min_length=1)
    missing: dict[str, str] = {}  # why nets of the suite were left out, by name
    methods: list[str] = Field(min_length=1)
    protocols: list[str] = ["default"]
    metrics: list[str] | None = None
    device: str
    race: RaceHeader | None = None  # None: every method is scored on every image


class MethodFacts(_Part):
    """What defines a method; `fingerprint` is that of the file, for a user's own method."""

    version: int
    settings: Settings
    fingerprint: str | None = None
    control: bool


class MethodHeader(MethodFacts):
    """A method and its description."""

    description: str


class MetricScale(_Part):
    """How the values of a metric are judged and shown."""

    better: Literal["higher", "lower"]
    unit: str
    range: Range
    slack: Annotated[float, Field(ge=0)] | None = None
    short: str

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.range
        if low is not None and high is not None and low >= high:
            raise ValueError(f"the range from {low} to {high} is empty")
        return self


class MetricFacts(MetricScale):
    """What defines a metric; `protocol` holds its version and all of its settings."""

    fingerprint: str | None = None
    protocol: Settings


class MetricHeader(MetricScale):
    """A metric as one protocol defines it; `fingerprint` is that of the file, for a user's own metric."""

    description: str
    version: int
    settings: Settings
    fingerprint: str | None = None
    family: str = ""
    caveat: str = ""
    ties_of: str = ""  # the spec of the metric of which this one measures the effect of ties
    axes: tuple[
        str, ...
    ] = ()  # what the axes of its curve show, across and up, if not the target's score by replaced pixels


class NetFacts(_Part):
    """What defines a net; `fingerprint` is that of the weights.

    `scores` says how logits become class scores, `output` which output holds them, `reading` what else was decided about its
    computation that neither its weights nor its name show, and `precision` that of perturbed images if it is not the run's.
    Defaults are left out of the file. Older versions decided otherwise and wrote no `reading`.
    """

    layer: str
    fingerprint: str
    scores: Link = "softmax"
    output: str = ""
    reading: str = ""
    precision: str = ""


class NetHeader(NetFacts):
    """A net with its classes and notes; `code` is the fingerprint of the file with a user's own net."""

    classes: list[str]
    notes: list[str] = []
    code: str | None = None


class DataHeader(_Part):
    """The images; `fingerprint` is that of their names and of the first ones' pixels, `code` that of a user's own data set."""

    settings: Settings
    version: int
    classes: list[str]
    images: list[str] = Field(min_length=1)
    fingerprint: str
    notes: list[str] = []
    code: str | None = None

    @model_validator(mode="after")
    def _check_images(self) -> Self:
        if len(set(self.images)) < len(self.images):
            raise ValueError("an image is listed twice")
        return self


class Header(_Part):
    """The header of a run. `protocols` and `metrics` have the same keys: the specs of the metrics.

    `id` is drawn when the run begins, and each part of the run has it too; runs of older versions have none.
    """

    format: int = FORMAT
    id: str | None = None
    suite: SuiteHeader
    protocols: dict[str, Settings] = Field(min_length=1)  # all settings that define the values of a metric
    metrics: dict[str, MetricHeader] = Field(min_length=1)
    methods: dict[str, MethodHeader] = Field(min_length=1)
    nets: dict[str, NetHeader] = Field(min_length=1)
    data: DataHeader
    environment: dict[str, str]

    @model_validator(mode="after")
    def _check_protocols(self) -> Self:
        if self.protocols.keys() != self.metrics.keys():
            raise ValueError("protocols and metrics do not have the same keys")
        return self

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """The values, by column, that the tables of the run may have."""
        lists = {"dataset": [self.suite.dataset], "image": self.data.images}
        return lists | {"net": list(self.nets), "method": list(self.methods), "metric": list(self.metrics)}

    @property
    def metric_count(self) -> int:
        """The number of metrics, without those that measure what ties do to others."""
        return sum(not metric.ties_of for metric in self.metrics.values())

    def describe_protocol(self, metric: str, nets: Iterable[str]) -> Settings:
        """Describe the protocol of a metric on these nets: a `score` that is a probability is named by how it is read there."""
        protocol = self.protocols[metric]
        if protocol.get("score") != "softmax":
            return protocol
        return protocol | {"score": " or ".join(dict.fromkeys(self.nets[net].scores for net in nets))}

    def find_tie_metric(self, metric: str) -> str:
        """Find the metric of this run that measures how much ties move a metric; empty if there is none.

        Both have the same protocol and the same values of the settings that both have, and the other one has the settings that
        the declaration asks for.
        """
        return next((other for other in self.metrics if self._measures_ties(other, metric)), "")

    def _measures_ties(self, other: str, metric: str) -> bool:
        ties_of, own = self.metrics[other].ties_of, self.metrics[metric].settings
        if not ties_of or specs.split_protocol(other)[1] != specs.split_protocol(metric)[1]:
            return False
        wanted = specs.parse("metric", ties_of)
        shared = {key: value for key, value in self.metrics[other].settings.items() if key in own}
        agree = all(key in own and own[key] == value for key, value in (shared | wanted.settings).items())
        return agree and self.protocols[metric].get("metric") == wanted.name

    def dump_content(self) -> dict[str, Any]:
        """Return the content of the file: without the keys that were left to their defaults."""
        return self.model_dump(exclude_unset=True)


def read_header(directory: Path) -> Header:
    """Read the header of the run in a directory. Raise UsageError if there is none or this version cannot read it."""
    file = directory / FILE
    try:
        if not file.is_file():
            raise UsageError(f"{directory} holds no run: {choose_remedy(file, f'it has no {FILE}')}")
        text = file.read_text(encoding="utf-8")
        content = parse_json(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:  # also for bytes that are not UTF-8
        raise make_damage_error(file, describe_json_error(error)) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        again = "; install cambench again" if is_shipped(file) else ""
        raise UsageError(f"{file} was written by another version of this suite: its format is not {FORMAT}{again}")
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        raise make_damage_error(file, describe_validation_error(error)) from None


def parse_json(text: str) -> Any:
    """Parse JSON of a run. Raise ValueError for other text, and for values that no run has.

    Such are numbers that are not finite or too large, control characters, and deep nesting.
    """
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _check_values(content, DEPTH)
    return content


def describe_json_error(error: ValueError) -> str:
    """Describe an error of `parse_json` in words."""
    return "it is not JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else str(error)


def _check_values(content: Any, depth: int) -> None:
    """Raise ValueError for a value that no run has, and for more than `depth` nested lists and objects."""
    if isinstance(content, dict | list):
        if not depth:
            raise ValueError(TOO_DEEP)
        for value in chain(content, content.values()) if isinstance(content, dict) else content:
            _check_values(value, depth - 1)
    elif isinstance(content, str):
        if control := CONTROL.search(content):
            raise ValueError(f"it has a text with the control character {control[0]!a}")
    elif (isinstance(content, float) and not isfinite(content)) or (
        isinstance(content, int) and abs(content) > LARGEST
    ):
        raise ValueError("it has a number that is not finite or too large")


def write_header(directory: Path, header: Header) -> None:
    """Write the header of a run into its directory. Raise UsageError for a header that could not be read again."""
    text = json.dumps(header.dump_content(), indent=1)
    try:
        parse_json(text)
    except ValueError as error:
        raise UsageError(f"{directory / FILE} cannot be written: {error}") from None
    write_text(directory / FILE, text)


def describe_validation_error(error: ValidationError) -> str:
    """Describe the first error: the key, and what is wrong with it."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] in MESSAGES:
        return MESSAGES[first["type"]].format(key=key)
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "json_invalid":
        return "it is not JSON"
    return f"{key!r} {first['msg'].removeprefix('Input ')}, not {first['input']!r:.60}"


def make_damage_error(file: Path, reason: str) -> UsageError:
    """Make the error for a damaged header."""
    remedy = choose_remedy(file, f"remove {file.parent}, or name another directory with --out")
    return UsageError(f"{file} is damaged: {reason}; {remedy}")
