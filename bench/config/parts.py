"""A suite of several parts, for protocols that explain different things: each part is a suite's keys laid over the common ones.

A part is named by its protocol, where it has no name of its own.
"""

from typing import Any

from ..core.errors import UsageError, nearest

Keys = dict[str, Any]  # of a suite's file

LISTS = ("nets", "methods", "protocols")  # of the whole: all that its parts name


def laid(file: str, content: Keys, changes: Keys) -> Keys:
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
