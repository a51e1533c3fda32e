"""What the site generates from the code: the documentation of `::: cambench.NAME`."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import cambench


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replaces `::: cambench.NAME` by its documentation, and links to files that are no pages by the names of the files."""
    markdown = re.sub(r"^::: cambench\.(\w+)$", lambda match: _documentation(match[1]), markdown, flags=re.MULTILINE)
    return re.sub(r"\[`?([^\]`]+)`?\]\(\.\./[^)]*\)", r"`\1`", markdown)


def _documentation(name: str) -> str:
    """A public name: its signature and docstring, and those of a class's own public members."""
    public = getattr(cambench, name)
    if not inspect.isclass(public):
        return _entry(3, name, public)
    parts = [f"### {name}\n\n{_docstring(public)}"]
    for member, value in vars(public).items():
        if isinstance(value, property) and not member.startswith("_"):
            parts.append(f"`{member}`: {_docstring(value)}")
        elif inspect.isfunction(value) and not member.startswith("_") and value.__doc__:
            parts.append(_entry(4, member, value))
    return "\n\n".join(parts)


def _entry(level: int, name: str, function: Callable[..., Any]) -> str:
    return f"{'#' * level} {name}\n\n```python\n{_signature(name, function)}\n```\n\n{_docstring(function)}"


def _signature(name: str, function: Callable[..., Any]) -> str:
    """The signature on one line, or a parameter a line where it is long."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    parts = [_without_modules(str(parameter)) for parameter in parameters]
    first_keyword = next((index for index, one in enumerate(parameters) if one.kind is one.KEYWORD_ONLY), None)
    if first_keyword is not None and not any(one.kind is one.VAR_POSITIONAL for one in parameters):
        parts.insert(first_keyword, "*")
    returns = _without_modules(re.sub(r".* -> ", " -> ", str(signature))) if "->" in str(signature) else ""
    if len(", ".join(parts)) < 70:
        return f"{name}({', '.join(parts)}){returns}"
    return "\n    ".join([f"{name}(", *(f"{part}," for part in parts)]) + f"\n){returns}"


def _without_modules(annotation: str) -> str:
    """Names without the modules before them; the point in a number stays."""
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(\w+)", r"\1", annotation)


def _docstring(documented: object) -> str:
    """A docstring, its examples as code blocks."""
    text = inspect.getdoc(documented) or ""
    return re.sub(r"(^>>> .*(?:\n.+)*)", r"```pycon\n\1\n```", text, flags=re.MULTILINE)
