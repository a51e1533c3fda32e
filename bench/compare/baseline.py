"""A baseline: the snapshot of a run as a small JSON file to commit, with a line per net, method and metric.

The same run always gives the same bytes, so that a diff shows what changed. The lines are written here because json.dumps has
only one line for all values or one for each. The first line holds the format and a checksum of the rest: a file that was edited
or cut off is refused.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..core.errors import UsageError
from ..store.header import MethodFacts, MetricFacts, NetFacts, parse_json
from .snapshot import COUNTED, Key, Scores, Snapshot

KIND = "cambench baseline"
FORMAT = 1
DECIMALS = 6  # of values; of a metric without bounds, significant digits after the first
Value = float | str


def format_baseline(snapshot: Snapshot) -> str:
    """Format a snapshot as the text of a baseline, without the images that failed on one of its nets."""
    content = _make_content(snapshot.leave_out(snapshot.list_failed(snapshot.nets)))
    parts = [f'{{"{KIND}": {FORMAT}, "sha256": "{_compute_checksum(content)}"']
    for part, entries in content.items():
        body = ",\n".join(_format_lines(entries))
        left, right = ("[", "]") if isinstance(entries, list) else ("{", "}")
        parts.append(f'"{part}": {left}\n{body}\n{right}')
    return ",\n".join(parts) + "\n}\n"


def is_baseline(file: Path) -> bool:
    """Tell whether a file begins like a baseline."""
    with file.open("rb") as stream:
        return stream.read(len(KIND) + 3).startswith(f'{{"{KIND}'.encode())


def read_baseline(file: Path) -> Snapshot:
    """Read a baseline. Raise UsageError for a file that is no baseline, has another format, or was changed."""
    if not is_baseline(file):
        if fault := _find_fault(file):
            raise UsageError(f"{file} {fault}: restore the committed file, or write it anew with bench baseline")
        raise UsageError(
            f"{file} is neither a run nor a baseline: name the directory of a run, or a file that bench baseline wrote"
        )
    try:
        content = parse_json(file.read_text(encoding="utf-8"))
    except ValueError:
        raise _make_damage_error(file) from None
    if (version := content.pop(KIND, None)) != FORMAT:
        remedy = (
            "update cambench" if isinstance(version, int) and version > FORMAT else "write it anew with bench baseline"
        )
        raise UsageError(f"{file} is a baseline of format {version}, and this version reads format {FORMAT}: {remedy}")
    if content.pop("sha256", None) != _compute_checksum(content):
        raise _make_damage_error(file)
    try:
        return _make_snapshot(str(file), _Content.model_validate_json(json.dumps(content)))
    except ValidationError:
        raise _make_damage_error(file) from None


def _make_damage_error(file: Path) -> UsageError:
    return UsageError(f"{file} was edited or cut off: restore the committed file, or write it anew with bench baseline")


def _find_fault(file: Path) -> str:
    """Find what happened to a file that may have been a baseline; empty if nothing tells that it was one."""
    with file.open("rb") as stream:
        start = stream.read(1000).lstrip()
    if start.startswith(b"<<<<<<<"):
        return "has the marks of a merge conflict"
    if not start:
        return "is empty"
    return "was formatted anew by another program" if f'"{KIND}"'.encode() in start else ""


def _compute_checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _format_lines(entries: Any) -> Iterator[str]:
    if isinstance(entries, list):
        yield from (json.dumps(entry, ensure_ascii=False) for entry in entries)
    else:
        for key, entry in entries.items():
            yield f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(entry, ensure_ascii=False)}"


def _make_content(snapshot: Snapshot) -> dict[str, Any]:
    images = list(snapshot.image_hashes)
    return {
        "made": snapshot.origin,
        "metrics": _dump_facts(snapshot.metrics),
        "methods": _dump_facts(snapshot.methods),
        "nets": _dump_facts(snapshot.nets),
        "images": snapshot.image_hashes,
        "targets": {net: [targets[image] for image in images] for net, targets in snapshot.targets.items()},
        "costs": [
            [*key, {name: _round_cost(cost) for name, cost in costs.items()}] for key, costs in snapshot.costs.items()
        ],
        "values": [[*key, _format_values(snapshot, key)] for key in snapshot.scores],
    }


def _dump_facts(facts: Mapping[str, BaseModel]) -> dict[str, Any]:
    return {spec: model.model_dump(exclude_unset=True) for spec, model in facts.items()}


def _format_values(snapshot: Snapshot, key: Key) -> list[Value] | str:
    """Format the value, or the reason why there is none, of each image; a single reason if all images have the same."""
    scores = snapshot.scores[key]
    if len(scores.reasons) == len(scores.values) and len(reasons := set(scores.reasons.values())) == 1:
        return reasons.pop()
    bounded = None not in snapshot.metrics[key[2]].range
    return [
        scores.reasons[index] if value != value else _round(value, bounded=bounded)  # NaN
        for index, value in enumerate(scores.values.tolist())
    ]


def _round(value: float, *, bounded: bool) -> float:
    return round(value, DECIMALS) + 0.0 if bounded else float(f"{value:.{DECIMALS + 1}g}")  # + 0.0: -0.0 becomes 0.0


def _round_cost(cost: float) -> float | int | None:
    """Round to twelve digits; an integer if the cost is a whole number; None if it was not measured."""
    if not isfinite(cost):
        return None
    return int(cost) if cost == int(cost) else float(f"{cost:.12g}")


class _Content(BaseModel):
    """The content of a baseline, without its first line."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    made: dict[str, str]
    metrics: dict[str, MetricFacts]
    methods: dict[str, MethodFacts]
    nets: dict[str, NetFacts] = Field(min_length=1)
    images: dict[str, str] = Field(min_length=1)
    targets: dict[str, list[int]]
    costs: list[tuple[str, str, dict[str, float | None]]]
    values: list[tuple[str, str, str, list[Value] | str]]

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Check that all parts have the same nets, methods, metrics and images."""
        lists: list[Sequence[Any]] = [values for _, _, _, values in self.values if isinstance(values, list)]
        lists += self.targets.values()
        if self.targets.keys() != self.nets.keys() or any(len(part) != len(self.images) for part in lists):
            raise ValueError("targets or values do not belong to the nets and images")
        if any(costs.keys() != set(COUNTED) for _, _, costs in self.costs):
            raise ValueError("a cost is missing")
        keys = [(net, method) for net, method, _ in self.costs] + [key[:2] for key in self.values]
        if not all(net in self.nets and method in self.methods for net, method in keys):
            raise ValueError("a cost or a value does not belong to a net and a method")
        if not all(metric in self.metrics for _, _, metric, _ in self.values):
            raise ValueError("a value does not belong to a metric")
        return self


def _make_snapshot(name: str, content: _Content) -> Snapshot:
    return Snapshot(
        name=name,
        origin=content.made,
        metrics=content.metrics,
        methods=content.methods,
        nets=content.nets,
        image_hashes=content.images,
        targets={net: dict(zip(content.images, targets, strict=True)) for net, targets in content.targets.items()},
        scores={(net, method, metric): _make_scores(values, len(content.images))
                for net, method, metric, values in content.values},
        costs={(net, method): _make_costs(costs) for net, method, costs in content.costs},
    )  # fmt: skip


def _make_scores(values: list[Value] | str, count: int) -> Scores:
    values = [values] * count if isinstance(values, str) else values
    numbers = np.array([np.nan if isinstance(value, str) else value for value in values])
    return Scores(numbers, {index: value for index, value in enumerate(values) if isinstance(value, str)})


def _make_costs(costs: dict[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if cost is None else cost for name, cost in costs.items()}
