"""Suite files (TOML): the shipped ones and the user's, with their parts, lists of images and changes."""

import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..core import specs
from ..core.errors import UsageError, list_known_names
from .suite import Suite

Keys = dict[str, Any]  # the content of a suite file

BUILT_IN = Path(__file__).parent / "suites"
SPECS = ("nets", "methods", "protocols", "metrics")  # lists of specs
LISTS = ("nets", "methods", "protocols")  # if the suite itself lacks one of these, it is the union over its parts


def list_names() -> list[str]:
    """List the names of the shipped suites."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load(name: str, **changes: Any) -> Suite:
    """Load a shipped suite or a TOML file, with changes to its keys: a value, a function of the suite's own value, or None.

    None, also as the result of a function, is no change. A list of specs may be a comma-separated text. Raise UsageError for a
    wrong suite, key or value.
    """
    path = Path(name) if name.endswith(".toml") else BUILT_IN / f"{name}.toml"
    if not path.is_file():
        raise UsageError(
            f"there is no suite {name!r}: {list_known_names(name, list_names(), f'{name}.toml')}, or a TOML file"
        )
    original = {"name": path.stem} | _read(path)
    lists = {key: value for key, value in changes.items() if key in SPECS and isinstance(value, str | tuple)}
    changes |= {key: specs.to_list(value) for key, value in lists.items()}
    functions = {key: value for key, value in changes.items() if callable(value)}
    values = {key: value for key, value in changes.items() if value is not None and key not in functions}
    suite = _validate(path.name, _change(path, original, values))
    if functions:
        results = {key: function(getattr(suite, key)) for key, function in functions.items()}
        values |= {key: result for key, result in results.items() if result is not None}
        suite = _validate(path.name, _change(path, original, values))
    if path.parent == BUILT_IN:
        suite._built_in = _validate(path.name, _change(path, original, {}))
    return suite


def _read(path: Path) -> Keys:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}") from None
    if isinstance(subset := content.get("subset"), str) and "images" not in content:
        content["images"] = len(read_image_names(subset))
    return content


def _change(path: Path, content: Keys, changes: Keys) -> Keys:
    """Change some keys of the content of a suite file."""
    if subset := changes.get("subset"):
        changes = changes | {"images": changes.get("images", len(read_image_names(subset)))}
    if "protocols" in changes and "metrics" not in changes and "parts" not in content:
        # the suite's metrics were chosen for its own protocols
        content = {key: value for key, value in content.items() if key != "metrics"}
    if changes:
        changes = changes | {"description": f"The suite {path.stem} with other {', '.join(changes)}."}
    return _change_parts(path.name, content, changes) if "parts" in content else content | changes


def _change_parts(file: str, content: Keys, changes: Keys) -> Keys:
    """Change a suite with parts: each part is the common keys, then its own, then the changes; `protocols` selects parts.

    Raise UsageError for two parts of one name, and for an unknown part.
    """
    common, parts = {key: value for key, value in content.items() if key != "parts"}, content["parts"]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise UsageError(f"{file}, parts: write a [[parts]] table for each part")
    named = [{"name": _name_part(part)} | part for part in parts]
    part_names = [str(part["name"]) for part in named]
    if twice := next((name for name in part_names if part_names.count(name) > 1), None):
        raise UsageError(f"{file}: two parts are named {twice!r}: give one another name")
    selected = changes.get("protocols", part_names)
    if unknown := next((name for name in selected if name not in part_names), None):
        raise UsageError(f"{file} has no part {unknown!r}: {list_known_names(unknown, part_names)}")
    part_changes = {key: value for key, value in changes.items() if key != "protocols"}
    kept = [common | part | part_changes for part in named if part["name"] in selected]
    whole = {key: union for key in LISTS if key not in common and (union := _merge_lists(kept, key))}
    return whole | common | changes | {"parts": kept}


def _name_part(part: Keys) -> Any:
    """Name a part that has no name after its protocol."""
    protocols = part.get("protocols")
    return protocols[0] if isinstance(protocols, list) and protocols else "default"


def _merge_lists(parts: list[Keys], key: str) -> list[Any]:
    """Merge a list of all parts: the entries, each once, in the order in which they first appear."""
    entries = [entry for part in parts if isinstance(part.get(key), list) for entry in part[key]]
    return [entry for index, entry in enumerate(entries) if entry not in entries[:index]]


def _validate(file: str, content: Keys) -> Suite:
    try:
        return Suite(**content)
    except ValidationError as error:
        raise UsageError(_describe_error(file, error)) from None


def _describe_error(file: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = first["loc"]
    if where[0] == "parts" and len(where) > 2:
        file, where = f"{file}, part {int(where[1]) + 1}", where[2:]
    key = str(where[0])
    if first["type"] == "extra_forbidden":
        return f"{file}: there is no key {key!r}: {list_known_names(key, Suite.model_fields)}"
    if first["type"] == "too_short":
        return f"{file}, {key}: the list is empty: name at least one"
    message = first["msg"].removeprefix("Value error, ")
    return f"{file}, {key}: {message[0].lower()}{message[1:]}"


def read_image_names(file: str) -> list[str]:
    """Read the names in a text file, one a line; empty lines are skipped. Raise UsageError if there is none, or one twice."""
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file}: a subset is a text file with one image name per line")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise UsageError(f"{file} is not text: a subset is a text file with one image name per line") from None
    listed = [line for line in lines if line]
    if not listed:
        raise UsageError(f"{file} names no image: write one image name per line")
    if twice := next((name for name, count in Counter(listed).items() if count > 1), None):
        raise UsageError(f"{file} names {twice!r} twice: each image is used once")
    return listed
