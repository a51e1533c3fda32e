"""Specs: how plug-ins and protocols are asked for: `name`, `name:value`, `name[setting=value,...]`, and lists of those."""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import UsageError

ADDRESS = "://"  # what tells an address, such as s3://bucket/photos, from a path


@dataclass(frozen=True)
class Spec:
    """A spec taken apart: the name, the first setting's value where it is given short, and the settings in brackets."""

    name: str
    short: str | None = None
    chosen: dict[str, Any] = field(default_factory=dict)

    def label(self, name: str) -> str:
        """The spec in its one form, settings in alphabetical order, under a name."""
        settings = ",".join(f"{key}={value}" for key, value in sorted(self.chosen.items()))
        return name + (f":{self.short}" if self.short else "") + (f"[{settings}]" if self.chosen else "")


def value(text: str) -> Any:
    """A setting's value: a Python literal where it is one, else the text itself."""
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text


def parse(word: str, text: str, read: Callable[[str], Any] = value) -> Spec:
    """The spec of a plug-in of a kind; `word` is what the kind is called. Raises UsageError."""
    match = re.fullmatch(r"(?P<name>[^\[\]:]+?)(:(?P<short>[\w./-]+))?(\[(?P<settings>[^\[\]]*)\])?", text.strip())
    if match is None:
        raise UsageError(f"{text!r} names no {word}: write name, name:value or name[setting=value,...]")
    chosen: dict[str, Any] = {}
    for part in split(match["settings"] or ""):
        key, equals, given = part.partition("=")
        if not equals:
            raise UsageError(f"{text!r}: {part!r} sets nothing: write setting=value")
        if key.strip() in chosen:
            raise UsageError(f"{text!r} sets {key.strip()!r} twice: set it once")
        chosen[key.strip()] = read(given.strip())
    return Spec(match["name"].strip(), match["short"], chosen)


def split(text: str) -> list[str]:
    """The specs of a comma-separated list; commas inside brackets do not part them."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def laid(word: str, text: str, settings: dict[str, str]) -> str:
    """A spec with more settings. Raises UsageError where it sets one of them itself."""
    asked = parse(word, text, str)
    if twice := next((key for key in settings if key in asked.chosen), None):
        raise UsageError(f"{text} sets {twice} itself, and --{twice} sets it again: leave out the one or the other")
    return Spec(asked.name, asked.short, asked.chosen | settings).label(asked.name)
