"""A suite: which methods are compared on which nets and images, by which metrics. A TOML file, read and checked."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import plugins
from .errors import UsageError, nearest
from .plugins import DATASET, METHOD, METRIC, Plugin

BUILT_IN = Path(__file__).parent / "suites"


class Suite(BaseModel):
    """What is run; the names are specs (see plugins.py)."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^\w[\w .-]{0,99}$")
    description: str = ""
    dataset: str = "scenes"
    images: int = Field(12, ge=1)
    seed: int = Field(0, ge=0)
    target: Literal["predicted", "label"] = "predicted"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    nets: list[str] = Field(min_length=1)  # the cheap ones first: the first results come first
    methods: list[str] = Field(min_length=1)
    metrics: list[str] = Field(min_length=1)

    def plugins(self) -> tuple[list[Plugin], list[Plugin], Plugin]:
        """The methods, the metrics and the data set. Raises UsageError for what there is not, or for one named twice."""
        methods = [plugins.find(METHOD, spec, self.seed) for spec in self.methods]
        metrics = [plugins.find(METRIC, spec, self.seed) for spec in self.metrics]
        for specs in (self.nets, [method.spec for method in methods], [metric.spec for metric in metrics]):
            _distinct(specs)
        folder = self.dataset not in plugins.names(DATASET) and Path(self.dataset).is_dir()
        dataset = (plugins.open_folder if folder else plugins.find)(DATASET, self.dataset, self.seed)
        return methods, metrics, dataset

    def directory(self) -> str:
        """The name of the run's directory: the suite's own, and a mark where it was changed, so that runs do not clash."""
        content = self.model_dump_json(exclude={"description"})
        if self.name in names() and content == load(self.name).model_dump_json(exclude={"description"}):
            return self.name
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:6]}"


def names() -> list[str]:
    """The built-in suites."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load(name: str, **changes: Any) -> Suite:
    """A built-in suite or a TOML file, with changes laid over it. Raises UsageError in words of the file's keys."""
    path = Path(name) if name.endswith(".toml") else BUILT_IN / f"{name}.toml"
    if not path.is_file():
        raise UsageError(f"there is no suite {name!r}: {nearest(name, names())}, or a TOML file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    changed = {key: value for key, value in changes.items() if value is not None}
    if changed:
        changed["description"] = f"The suite {path.stem} with other {', '.join(changed)}."
    content = {"name": path.stem} | content | changed
    try:
        return Suite(**content)
    except ValidationError as error:
        raise UsageError(_sentence(path.name, error)) from None


def _sentence(file: str, error: ValidationError) -> str:
    first = error.errors()[0]
    key = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        return f"{file}: there is no key {key!r}: {nearest(key, Suite.model_fields)}"
    return f"{file}, {key}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _distinct(specs: list[str]) -> None:
    for spec in specs:
        if specs.count(spec) > 1:
            raise UsageError(f"{spec} is named twice")
