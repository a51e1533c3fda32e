"""A run's header, run.json: what the run is, so that no other is mixed into its directory."""

import fcntl
import json
from pathlib import Path
from typing import Any

from .errors import UsageError
from .files import write_text

FORMAT = 3
PARTS = ("suite", "protocols", "methods", "metrics", "nets", "data", "environment")  # of the header
UNMEANT = (
    "description",
    "family",
    "caveat",
    "slack",
    "notes",
)  # what is said of a plug-in, and its numbers do not depend on


def header_of(directory: Path) -> dict[str, Any]:
    """The header of the run in a directory. Raises UsageError where there is none, or one that this version cannot read."""
    file = directory / "run.json"
    if not file.is_file():
        raise UsageError(f"{directory} holds no run: it has no run.json")
    try:
        header = json.loads(file.read_text())
    except ValueError:
        raise UsageError(
            f"{file} is damaged: it is not JSON; remove {directory}, or run into another with --out"
        ) from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise UsageError(f"{file} was written by another version of this suite: its format is not {FORMAT}")
    for part in PARTS:
        if not isinstance(header.get(part), dict):
            raise UsageError(
                f"{file} is damaged: it has no {part!r}; remove {directory}, or run into another with --out"
            )
    return header


def claim(directory: Path, header: dict[str, Any]) -> None:
    if (directory / "run.json").exists():
        if other := difference(header_of(directory), header):
            raise UsageError(
                f"{directory} holds another run: {other}; name another directory with --out, or remove that one"
            )
    elif any(path.name != ".lock" for path in directory.iterdir()):
        raise UsageError(f"{directory} is not empty and holds no run: name another directory with --out")
    else:
        write_text(directory / "run.json", json.dumps(header, indent=1))


def difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    """The first thing that fixes the meaning of the numbers and differs, or the device, whose seconds must not be mixed."""
    for part in PARTS:
        before, now = _meaning(part, old), _meaning(part, new)
        for key in sorted({*before, *now}):
            unknown = key == "fingerprint" and "" in (before.get(key), now.get(key))  # an image could not be read
            if before.get(key) != now.get(key) and not unknown:
                return f"its {key} is {_brief(before.get(key))}, not {_brief(now.get(key))}"
    return None


def _meaning(part: str, header: dict[str, Any]) -> dict[str, Any]:
    """What of a part of the header the numbers depend on: not the words and slacks, nor most of the environment."""
    content: dict[str, Any] = header.get(part, {})
    if part == "environment":
        return {key: content.get(key) for key in ("device", "torch")}
    return {key: _without(one) for key, one in content.items() if key not in UNMEANT}


def _without(told: Any) -> Any:
    return {key: one for key, one in told.items() if key not in UNMEANT} if isinstance(told, dict) else told


def _brief(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def locked(directory: Path) -> Any:
    lock = (directory / ".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UsageError(f"another run is writing to {directory}: wait for it, or name another with --out") from None
    return lock
