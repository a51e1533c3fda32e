"""A suite file (TOML), read once and checked: its keys, its parts, its list of images."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..core.errors import UsageError, nearest
from .suite import Suite

Keys = dict[str, Any]  # of a suite's file
BUILT_IN = Path(__file__).parent / "suites"
LISTS = ("nets", "methods", "protocols")  # of the whole: all that its parts name


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
    content = {"name": path.stem} | content
    if isinstance(listed := content.get("subset"), str) and "images" not in content:
        content["images"] = len(image_names(listed))
    own = dict(content)
    changed = {key: value for key, value in changes.items() if value is not None}
    if listed := changed.get("subset"):
        changed.setdefault("images", len(image_names(listed)))
    if "protocols" in changed and "metrics" not in changed and "parts" not in content:
        content.pop("metrics", None)  # the suite's choice was made for its own protocols
    if changed:
        changed["description"] = f"The suite {path.stem} with other {', '.join(changed)}."
    content = lay_over_parts(path.name, content, changed) if "parts" in content else content | changed
    suite = _checked(path.name, content)
    if path.parent == BUILT_IN:
        suite._built_in = _checked(path.name, lay_over_parts(path.name, own, {}) if "parts" in own else own)
    return suite


def _checked(file: str, content: Keys) -> Suite:
    try:
        return Suite(**content)
    except ValidationError as error:
        raise UsageError(_sentence(file, error)) from None


def _sentence(file: str, error: ValidationError) -> str:
    first = error.errors()[0]
    where = first["loc"]
    if where[0] == "parts" and len(where) > 2:
        file, where = f"{file}, part {int(where[1]) + 1}", where[2:]
    key = str(where[0])
    if first["type"] == "extra_forbidden":
        return f"{file}: there is no key {key!r}: {nearest(key, Suite.model_fields)}"
    if first["type"] == "too_short":
        return f"{file}, {key}: the list is empty: name at least one"
    return f"{file}, {key}: {first['msg'][0].lower()}{first['msg'][1:]}"


def lay_over_parts(file: str, content: Keys, changes: Keys) -> Keys:
    """A suite's keys with changes laid over them and over each part. Protocols among the changes choose the parts that run.

    Raises UsageError for parts that cannot be told apart, and for a part that there is not.
    """
    common, parts = {key: value for key, value in content.items() if key != "parts"}, content["parts"]
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise UsageError(f"{file}, parts: write a [[parts]] table for each part")
    named = [{"name": _name(part)} | part for part in parts]
    names = [str(part["name"]) for part in named]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{file}: two parts are named {twice!r}: give one another name")
    chosen = changes.get("protocols", names)
    if unknown := next((name for name in chosen if name not in names), None):
        raise UsageError(f"{file} has no part {unknown!r}: {nearest(unknown, names)}")
    over = {key: value for key, value in changes.items() if key != "protocols"}
    kept = [common | part | over for part in named if part["name"] in chosen]
    whole = {key: found for key in LISTS if key not in common and (found := _all(kept, key))}
    return whole | common | changes | {"parts": kept}


def _name(part: Keys) -> Any:
    protocols = part.get("protocols")
    return protocols[0] if isinstance(protocols, list) and protocols else "default"


def _all(parts: list[Keys], key: str) -> list[Any]:
    """Each once, in the order in which the parts name them."""
    found = [one for part in parts if isinstance(part.get(key), list) for one in part[key]]
    return [one for place, one in enumerate(found) if one not in found[:place]]


def image_names(file: str) -> list[str]:
    """The image_names, in their order; empty lines are none. Raises UsageError for a file that has none, or one twice."""
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"there is no file {file}: a subset is a text file with the name of an image a line")
    try:
        listed = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text: a subset is a text file with the name of an image a line") from None
    if not listed:
        raise UsageError(f"{file} image_names no image: write the name of an image a line")
    if twice := next((name for name in dict.fromkeys(listed) if listed.count(name) > 1), None):
        raise UsageError(f"{file} image_names {twice!r} twice: an image is taken once")
    return listed
