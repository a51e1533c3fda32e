"""The settings of a run's protocols in words: those of each metric, and those that all metrics share."""

from dataclasses import dataclass

from ..core.formatting import format_settings
from ..store.header import Header

OWN = ("metric", "version")  # keys that belong to a metric, even if all have the same
REPEATED = ("name",)  # keys whose value another key has


def is_set(value: object) -> bool:
    """Tell whether a setting has a value: not None, and no empty text or mapping."""
    return value is not None and value not in ("", {})


@dataclass(frozen=True)
class ProtocolWords:
    """The settings behind the numbers of a run."""

    own: dict[str, str]  # of each metric, by spec
    shared: str  # of all metrics; empty for a run with one metric


def describe_protocols(header: Header) -> ProtocolWords:
    """Describe the settings of each metric, without those that are not set, and once those that all metrics share."""
    described = {}
    for spec in header.protocols:
        settings = header.describe_protocol(spec, header.nets)
        described[spec] = {key: value for key, value in settings.items() if key not in REPEATED and is_set(value)}
    first, *others = described.values() or [{}]
    shared = {
        key: value for key, value in first.items()
        if others and key not in OWN and all(key in other and other[key] == value for other in others)
    }  # fmt: skip
    own = {
        spec: format_settings({key: value for key, value in settings.items() if key not in shared})
        for spec, settings in described.items()
    }
    return ProtocolWords(own, format_settings(shared))
