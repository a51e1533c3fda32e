"""A run as a small text to commit: JSON with a line per net, method and metric, and no word of when or where.

Recorded again, a run gives the same bytes, so that a diff shows what changed. The first lines name the format and carry a
checksum of all that follows: a file that was edited or cut off is refused, not compared.
"""

import hashlib
import json
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from .snapshot import Key, Recorded

KIND = "cambench baseline"
FORMAT = 1
DECIMALS = 6  # of values; of large and small costs as many digits as it takes
Value = float | str | None


def text(recorded: Recorded) -> str:
    """The baseline of a run."""
    content = _content(recorded)
    parts = [f'{{"{KIND}": {FORMAT}, "sha256": "{_checksum(content)}"']
    for part, told in content.items():
        body = ",\n".join(_lines(told))
        opened, closed = ("[", "]") if isinstance(told, list) else ("{", "}")
        parts.append(f'"{part}": {opened}\n{body}\n{closed}')
    return ",\n".join(parts) + "\n}\n"


def is_baseline(file: Path) -> bool:
    """Whether a file begins as a baseline does."""
    with file.open("rb") as opened:
        return opened.read(len(KIND) + 3).startswith(f'{{"{KIND}'.encode())


def read(file: Path) -> Recorded:
    """Raises UsageError for a file that is no baseline, of another version, or not as it was written."""
    if not is_baseline(file):
        raise UsageError(f"{file} is neither a run nor a baseline: name a run's directory, or a file of bench baseline")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        raise _spoilt(file) from None
    if (found := content.pop(KIND, None)) != FORMAT:
        raise UsageError(
            f"{file} is a baseline of format {found}, and this version reads format {FORMAT}: "
            "record it anew with bench baseline"
        )
    if content.pop("sha256", None) != _checksum(content):
        raise _spoilt(file)
    return _recorded(str(file), content)


def _spoilt(file: Path) -> UsageError:
    return UsageError(f"{file} was edited or cut off: record it anew with bench baseline")


def _checksum(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _lines(told: Any) -> Iterator[str]:
    if isinstance(told, list):
        yield from (json.dumps(one, ensure_ascii=False) for one in told)
    else:
        for key, one in told.items():
            yield f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(one, ensure_ascii=False)}"


def _content(recorded: Recorded) -> dict[str, Any]:
    images = list(recorded.images)
    return {
        "made": recorded.made,
        "metrics": recorded.metrics,
        "methods": recorded.methods,
        "nets": recorded.nets,
        "images": recorded.images,
        "targets": {net: [targets.get(image) for image in images] for net, targets in recorded.targets.items()},
        "costs": [[*key, {name: _exact(one) for name, one in cost.items()}] for key, cost in recorded.costs.items()],
        "values": [[*key, _values(recorded, key, images)] for key in recorded.scores],
    }


def _values(recorded: Recorded, key: Key, images: list[str]) -> list[Value] | str:
    """The value or the reason of each image; one word for all where no image has a value and the reason is one."""
    of = recorded.scores[key]
    endless = None in recorded.metrics[key[2]]["range"]
    found = [_rounded(of.get(image), endless) for image in images]
    reason = found[0] if found else None
    return reason if isinstance(reason, str) and found.count(reason) == len(found) else found


def _rounded(value: Value, endless: bool) -> Value:
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DECIMALS + 1}g}") if endless else round(value, DECIMALS) + 0.0


def _exact(cost: float) -> float | int | None:
    """Twelve digits, a whole number as one; None for what is not known."""
    if not isfinite(cost):
        return None
    return int(cost) if cost == int(cost) else float(f"{cost:.12g}")


def _recorded(name: str, content: dict[str, Any]) -> Recorded:
    images = list(content["images"])

    def by_image(values: Any) -> dict[str, Any]:
        values = [values] * len(images) if isinstance(values, str) else values
        pairs = zip(images, values, strict=True)
        return {image: float(one) if isinstance(one, int) else one for image, one in pairs if one is not None}

    return Recorded(
        name=name,
        **{part: content[part] for part in ("made", "metrics", "methods", "nets", "images")},
        targets={net: _targets(images, of) for net, of in content["targets"].items()},
        scores={(net, method, metric): by_image(values) for net, method, metric, values in content["values"]},
        costs={(net, method): _known(cost) for net, method, cost in content["costs"]},
    )


def _targets(images: list[str], targets: list[int | None]) -> dict[str, int]:
    return {image: one for image, one in zip(images, targets, strict=True) if one is not None}


def _known(cost: dict[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if one is None else float(one) for name, one in cost.items()}
