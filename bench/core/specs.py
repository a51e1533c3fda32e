"""Specs name plug-ins, protocols and nets: `name`, `name:value` or `name[setting=value,...]`; commas separate several."""

import ast
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .errors import UsageError, show_value

Name = TypeVar("Name")
DEFAULT = "default"  # the protocol whose metrics have no protocol in their names
MAX_SPEC = 4096  # characters: more than the longest path
ADDRESS = "://"  # an address, such as s3://bucket/photos, contains it; a path does not


@dataclass(frozen=True)
class Spec:
    """A parsed spec: the name, the value of the first setting if written `name:value`, and the settings in brackets."""

    name: str
    short: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """Write the spec in canonical form under a name, settings in alphabetical order."""
        listed = ",".join(f"{key}={value}" for key, value in sorted(self.settings.items()))
        return name + (f":{self.short}" if self.short else "") + (f"[{listed}]" if self.settings else "")


def parse_value(text: str) -> Any:
    """Parse the value of a setting: a Python literal if the text is one, else the text itself."""
    try:
        with warnings.catch_warnings(action="ignore"):  # what Python says of odd literals
            return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # the last two: nested too deep
        return text


def parse(kind: str, text: str, read: Callable[[str], Any] = parse_value) -> Spec:
    """Parse a spec; `kind` is what messages call it, `read` converts the values of settings. Raise UsageError."""
    if len(text) > MAX_SPEC:
        raise UsageError(f"a {kind} has a name of {len(text)} characters: at most {MAX_SPEC} are read")
    match = re.fullmatch(r"(?P<name>[^\[\]:]+?)(:(?P<short>[\w./-]+))?(\[(?P<settings>[^\[\]]*)\])?", text.strip())
    if match is None:
        raise UsageError(f"{show_value(text)} names no {kind}: write name, name:value or name[setting=value,...]")
    settings: dict[str, Any] = {}
    for part in split(match["settings"] or ""):
        key, equals, given = part.partition("=")
        if not equals:
            raise UsageError(f"{text!r}: {part!r} sets nothing: write setting=value")
        if key.strip() in settings:
            raise UsageError(f"{text!r} sets {key.strip()!r} twice: set it once")
        settings[key.strip()] = read(given.strip())
    return Spec(match["name"].strip(), match["short"], settings)


def split(text: str) -> list[str]:
    """Split a comma-separated list of specs; commas inside brackets do not separate."""
    parts = re.findall(r"(?:\[[^\]]*\]?|[^,\[])+", text)
    return [part.strip() for part in parts if part.strip()]


def to_list(names: str | Sequence[Name]) -> list[str | Name]:
    """Return a list of specs: of those in a comma-separated text, or of a sequence."""
    return [*split(names)] if isinstance(names, str) else [*names]


def join_protocol(metric: str, protocol: str) -> str:
    """Name a metric under a protocol, as records do: `deletion@rise`, and `deletion` under the default protocol."""
    return metric if protocol == DEFAULT else f"{metric}@{protocol}"


def split_protocol(name: str) -> tuple[str, str]:
    """Split the name of a metric in records into the metric and the protocol."""
    metric, _, protocol = name.partition("@")
    return metric, protocol or DEFAULT


def add_settings(kind: str, text: str, settings: dict[str, str]) -> str:
    """Add settings to a spec. Raise UsageError if the spec sets one of them itself."""
    spec = parse(kind, text, str)
    if twice := next((key for key in settings if key in spec.settings), None):
        raise UsageError(f"{text} sets {twice} itself, and --{twice} sets it again: remove one of them")
    return Spec(spec.name, spec.short, spec.settings | settings).label(spec.name)
