"""A baseline: the snapshot of a run as a small JSON file to commit, with a line per net, method and metric.

The same run always gives the same bytes, so that a diff shows what changed. The lines are written here because json.dumps has
only one line for all values or one for each. The first line holds the format and a checksum of the rest: a file that was edited
or cut off is refused.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..core.errors import UsageError
from ..store.header import MethodFacts, MetricFacts, NetFacts
from .snapshot import Key, Snapshot

KIND = "cambench baseline"
FORMAT = 1
DECIMALS = 6  # of values; of a metric without bounds, significant digits after the first
Value = float | str | None


def format_baseline(snapshot: Snapshot) -> str:
    """Format a snapshot as the text of a baseline."""
    content = _make_content(snapshot)
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
        raise UsageError(
            f"{file} is neither a run nor a baseline: name the directory of a run, or a file that bench baseline wrote"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise _make_damage_error(file) from None
    if (version := content.pop(KIND, None)) != FORMAT:
        raise UsageError(
            f"{file} is a baseline of format {version}, and this version reads format {FORMAT}: "
            "record it again with bench baseline"
        )
    if content.pop("sha256", None) != _compute_checksum(content):
        raise _make_damage_error(file)
    try:
        return _parse_snapshot(str(file), content)
    except ValidationError:  # of the facts of a net, method or metric
        raise _make_damage_error(file) from None


def _make_damage_error(file: Path) -> UsageError:
    return UsageError(f"{file} was edited or cut off: record it again with bench baseline")


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
        "targets": {net: [targets.get(image) for image in images] for net, targets in snapshot.targets.items()},
        "costs": [
            [*key, {name: _round_cost(cost) for name, cost in costs.items()}] for key, costs in snapshot.costs.items()
        ],
        "values": [[*key, _format_values(snapshot, key, images)] for key in snapshot.scores],
    }


def _dump_facts(facts: Mapping[str, BaseModel]) -> dict[str, Any]:
    return {spec: model.model_dump(exclude_unset=True) for spec, model in facts.items()}


def _format_values(snapshot: Snapshot, key: Key, images: list[str]) -> list[Value] | str:
    """Format the value, or the reason why there is none, of each image; a single reason if all images have the same."""
    scores = snapshot.scores[key]
    bounded = None not in snapshot.metrics[key[2]].range
    values = [_round(scores.get(image), bounded=bounded) for image in images]
    reason = values[0] if values else None
    return reason if isinstance(reason, str) and values.count(reason) == len(values) else values


def _round(value: Value, *, bounded: bool) -> Value:
    if not isinstance(value, float):
        return value
    return round(value, DECIMALS) + 0.0 if bounded else float(f"{value:.{DECIMALS + 1}g}")  # + 0.0: -0.0 becomes 0.0


def _round_cost(cost: float) -> float | int | None:
    """Round to twelve digits; an integer if the cost is a whole number; None if it was not measured."""
    if not isfinite(cost):
        return None
    return int(cost) if cost == int(cost) else float(f"{cost:.12g}")


def _parse_snapshot(name: str, content: dict[str, Any]) -> Snapshot:
    images = list(content["images"])

    def assign_to_images(values: Any) -> dict[str, Any]:
        values = [values] * len(images) if isinstance(values, str) else values
        pairs = zip(images, values, strict=True)
        return {image: float(value) if isinstance(value, int) else value for image, value in pairs if value is not None}

    return Snapshot(
        name=name,
        origin=content["made"],
        metrics={spec: MetricFacts(**facts) for spec, facts in content["metrics"].items()},
        methods={spec: MethodFacts(**facts) for spec, facts in content["methods"].items()},
        nets={spec: NetFacts(**facts) for spec, facts in content["nets"].items()},
        image_hashes=content["images"],
        targets={net: _parse_targets(images, targets) for net, targets in content["targets"].items()},
        scores={(net, method, metric): assign_to_images(values) for net, method, metric, values in content["values"]},
        costs={(net, method): _parse_costs(costs) for net, method, costs in content["costs"]},
    )


def _parse_targets(images: list[str], targets: list[int | None]) -> dict[str, int]:
    return {image: target for image, target in zip(images, targets, strict=True) if target is not None}


def _parse_costs(costs: dict[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if cost is None else float(cost) for name, cost in costs.items()}
