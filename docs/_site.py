"""What the site makes of the code itself: a page for each list of what there is, and what `::: cambench.name` documents."""

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import cambench
from cambench.bench.cli.listing import listing

TITLES = {"datasets": "Data sets", "nets": "Networks"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for kind, rows in listing().items():
        files.append(File.generated(config, f"lists/{kind}.md", content=_page(kind, rows)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Names become what they document; links to files of the repository that are no pages become their names."""
    markdown = re.sub(r"^::: cambench\.(\w+)$", lambda match: _documented(match[1]), markdown, flags=re.MULTILINE)
    return re.sub(r"\[`?([^\]`]+)`?\]\(\.\./[^)]*\)", r"`\1`", markdown)


def _page(kind: str, rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"# {TITLES.get(kind, kind.capitalize())}", "", "| | |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(said)} |" for name, said in rows]
    return "\n".join([*lines, "", f"`bench list {kind}` prints this list.", ""])


def _cell(said: str) -> str:
    return " ".join(said.split()).replace("|", "\\|").replace("<", "&lt;").replace("[", "\\[")


def _documented(name: str) -> str:
    """A public name: its signature and docstring, and those of a class's own public members."""
    found = getattr(cambench, name)
    if not inspect.isclass(found):
        return _entry(3, name, found)
    parts = [f"### {name}\n\n{_prose(found)}"]
    for member, value in vars(found).items():
        if isinstance(value, property) and not member.startswith("_"):
            parts.append(f"`{member}`: {_prose(value)}")
        elif inspect.isfunction(value) and not member.startswith("_") and value.__doc__:
            parts.append(_entry(4, member, value))
    return "\n\n".join(parts)


def _entry(level: int, name: str, function: Callable[..., Any]) -> str:
    return f"{'#' * level} {name}\n\n```python\n{_signature(name, function)}\n```\n\n{_prose(function)}"


def _signature(name: str, function: Callable[..., Any]) -> str:
    found = inspect.signature(function)
    parts = [_bare(str(one)) for one in found.parameters.values()]
    named = [place for place, one in enumerate(found.parameters.values()) if one.kind is one.KEYWORD_ONLY]
    if named:
        parts.insert(named[0], "*")
    gives = _bare(re.sub(r".* -> ", " -> ", str(found))) if "->" in str(found) else ""
    if len(", ".join(parts)) < 70:
        return f"{name}({', '.join(parts)}){gives}"
    return "\n    ".join([f"{name}(", *(f"{one}," for one in parts)]) + f"\n){gives}"


def _bare(annotation: str) -> str:
    """Names without their modules; a number's point is none of theirs."""
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(\w+)", r"\1", annotation)


def _prose(found: object) -> str:
    """A docstring; its examples stand in boxes."""
    text = inspect.getdoc(found) or ""
    return re.sub(r"(^>>> .*(?:\n.+)*)", r"```pycon\n\1\n```", text, flags=re.MULTILINE)
