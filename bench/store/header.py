"""A run's header, `run.json`: the suite, what each net, method and metric is, the data, and the environment of the run."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import UsageError
from ..core.files import write_text

FORMAT = 3
FILE = "run.json"
UNREAD = "unread"  # in the fingerprint of the data, for an image that could not be read

Settings = dict[str, Any]  # by name
Range = Annotated[list[float | None], Field(min_length=2, max_length=2)]  # None: unbounded
MESSAGES = {"missing": "it has no {key!r}", "extra_forbidden": "this version knows no {key!r}"}


class _Part(BaseModel):
    """Types are strict; nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class SuiteHeader(_Part):
    """The suite as it was run. The default of a key that older versions did not write is the value that they used."""

    name: str
    description: str = ""
    dataset: str
    images: int
    subset: str | None = None
    seed: int
    target: str | None
    label_order: Literal["name", "position"] = "name"
    precision: str
    compile: bool = False
    drift: int = 0
    timed: int = 8
    nets: list[str]
    methods: list[str]
    protocols: list[str] = ["default"]
    metrics: list[str] | None = None
    device: str


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
    slack: float | None = None
    short: str


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


class NetFacts(_Part):
    """What defines a net; `fingerprint` is that of the weights.

    `scores` says how logits become class scores, `output` which output holds them, and `precision` that of perturbed images if
    it is not the run's; defaults are left out of the file.
    """

    layer: str
    fingerprint: str
    scores: Literal["softmax", "sigmoid"] = "softmax"
    output: str = ""
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
    images: list[str]
    fingerprint: str
    notes: list[str] = []
    code: str | None = None


class Header(_Part):
    """The header of a run. `protocols` and `metrics` have the same keys: the specs of the metrics."""

    format: int = FORMAT
    suite: SuiteHeader
    protocols: dict[str, Settings]  # all settings that define the values of a metric
    metrics: dict[str, MetricHeader]
    methods: dict[str, MethodHeader]
    nets: dict[str, NetHeader]
    data: DataHeader
    environment: dict[str, str]

    def dump_content(self) -> dict[str, Any]:
        """Return the content of the file: without the keys that were left to their defaults."""
        return self.model_dump(exclude_unset=True)


def read_header(directory: Path) -> Header:
    """Read the header of the run in a directory. Raise UsageError if there is none or this version cannot read it."""
    file = directory / FILE
    if not file.is_file():
        raise UsageError(f"{directory} holds no run: it has no {FILE}")
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text)
    except ValueError:  # also for bytes that are not UTF-8
        raise _make_damage_error(file, "it is not JSON") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"{file} was written by another version of this suite: its format is not {FORMAT}")
    try:
        return Header.model_validate_json(text)
    except ValidationError as error:
        raise _make_damage_error(file, _describe_error(error)) from None


def write_header(directory: Path, header: Header) -> None:
    """Write the header of a run into its directory."""
    write_text(directory / FILE, json.dumps(header.dump_content(), indent=1))


def _describe_error(error: ValidationError) -> str:
    """Describe the first error: the key, and what is wrong with it."""
    first = error.errors()[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] in MESSAGES:
        return MESSAGES[first["type"]].format(key=key)
    return f"{key!r} {first['msg'].removeprefix('Input ')}, not {first['input']!r:.60}"


def _make_damage_error(file: Path, reason: str) -> UsageError:
    return UsageError(f"{file} is damaged: {reason}; remove {file.parent}, or name another directory with --out")
