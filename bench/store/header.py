"""A run's header, run.json: what the run is, so that no other is mixed into its directory."""

import fcntl
import json
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ..core.errors import UsageError
from ..core.files import write_text

FORMAT = 3
PARTS = ("suite", "protocols", "methods", "metrics", "nets", "data", "environment")  # of the header
UNMEANT = ("description", "family", "caveat", "slack", "notes")  # what is said of a plug-in, and no number depends on
UNREAD = "unread"  # in the fingerprint of data, for an image that could not be read


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
            if before.get(key) != now.get(key) and not (key == "fingerprint" and _alike(before[key], now.get(key, ""))):
                return _differs(key, before.get(key), now.get(key))
    return None


def _alike(before: str, now: str) -> bool:
    """Whether two fingerprints of data can be of the same: images that one of them could not read may be any."""
    pairs = list(zip_longest(before.split("-"), now.split("-")))
    return all(one == other or UNREAD in (one, other) for one, other in pairs)


def _differs(what: str, before: Any, now: Any) -> str:
    """The first difference of two values, in words."""
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(key for key in (*before, *now) if before.get(key) != now.get(key))
        if key in ("fingerprint", "code"):
            return f"its {what} has changed since (another {key})"
        return _differs(f"{key} of {what}", before.get(key), now.get(key))
    if what in ("fingerprint", "code"):
        return "its images, or the file that gives them, have changed since"
    return f"its {what} is {_brief(before)}, not {_brief(now)}"


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
