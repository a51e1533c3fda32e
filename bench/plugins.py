"""A folder is a registry: methods, metrics, data sets and reports, found by file name.

A plug-in is asked for by a spec: `grad_cam`, `score_cam[fill=black]`, `pytorch_grad_cam:ScoreCAM` (short for
`[variant=ScoreCAM]`), or the path of a Python file, `./my_cam.py`. Installed packages offer plug-ins through the
entry points `cambench.methods`, `cambench.metrics`, `cambench.datasets` and `cambench.reports`.
"""

import ast
import difflib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .errors import UsageError

PACKAGE = __package__.rpartition(".")[0]  # cambench
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: its word, its folder, and the one function that does its work."""

    word: str
    folder: str
    function: str


METHOD = Kind("method", "methods", "explain")
METRIC = Kind("metric", "bench/metrics", "score")
DATASET = Kind("dataset", "datasets", "load")
REPORT = Kind("report", "reports", "render")


@dataclass(frozen=True)
class Plugin:
    """A plug-in with its settings: call it with what its kind is handed."""

    spec: str  # as records name it: the name and what was set
    name: str
    module: ModuleType
    function: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)  # all of them, defaults included

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments, **self.settings)

    @property
    def description(self) -> str:
        return (self.module.__doc__ or "").strip().partition("\n")[0]

    @property
    def version(self) -> int:
        return int(getattr(self.module, "VERSION", 1))


def names(kind: Kind) -> list[str]:
    """The names of a kind: files of its folder (none that begins with an underscore), then entry points."""
    files = sorted(path.stem for path in (ROOT / kind.folder).glob("*.py") if not path.stem.startswith("_"))
    return files + sorted(entry.name for entry in _offered(kind) if entry.name not in files)


def find(kind: Kind, spec: str) -> Plugin:
    """The plug-in that a spec asks for. Raises UsageError for an unknown name, setting, or value."""
    name, chosen = _parse(kind, spec)
    module = _from_file(Path(name)) if name.endswith(".py") else _by_name(kind, name)
    function = getattr(module, kind.function, None)
    if function is None:
        raise UsageError(f"{name} is no {kind.word}: it has no function {kind.function}()")
    stem = Path(name).stem if name.endswith(".py") else name
    variant = chosen.get("variant")
    settings = _checked(kind, stem, function, chosen)
    shown = [f"{key}={value}" for key, value in sorted(chosen.items()) if key != "variant"]
    label = stem + (f":{variant}" if variant else "") + (f"[{','.join(shown)}]" if shown else "")
    return Plugin(label, stem, module, function, settings)


def nearest(word: str, known: Iterable[str]) -> str:
    """What exists, and the name that was probably meant: the end of an error message."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + "there are: " + ", ".join(known)


def split(text: str) -> list[str]:
    """The specs of a comma-separated list; commas inside brackets do not part them."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def _parse(kind: Kind, spec: str) -> tuple[str, dict[str, Any]]:
    match = re.fullmatch(r"(?P<name>[^\[\]:]+?)(:(?P<variant>\w+))?(\[(?P<settings>[^\[\]]*)\])?", spec.strip())
    if match is None:
        raise UsageError(f"{spec!r} names no {kind.word}: write name, name:variant or name[setting=value,...]")
    chosen: dict[str, Any] = {"variant": match["variant"]} if match["variant"] else {}
    for part in split(match["settings"] or ""):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{spec!r}: {part!r} sets nothing: write setting=value")
        chosen[key.strip()] = _value(value.strip())
    return match["name"].strip(), chosen


def _value(text: str) -> Any:
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text


def _by_name(kind: Kind, name: str) -> ModuleType:
    if name.startswith("_") or name not in names(kind):
        raise UsageError(f"there is no {kind.word} {name!r}: {nearest(name, names(kind))}")
    for entry in _offered(kind):
        if entry.name == name:
            module: ModuleType = entry.load()
            return module
    return importlib.import_module(f"{PACKAGE}.{kind.folder.replace('/', '.')}.{name}")


@cache
def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"{PACKAGE}_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    spec.loader.exec_module(module)
    return module


def _offered(kind: Kind) -> Any:
    return entry_points(group=f"{PACKAGE}.{kind.folder.rpartition('/')[2]}")


def _checked(kind: Kind, name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """All settings of a plug-in, those chosen checked against the types that its function declares."""
    hints = get_type_hints(function)
    fields: dict[str, Any] = {
        parameter.name: (hints.get(parameter.name, Any), parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    unknown = [key for key in chosen if key not in fields]
    if unknown:
        has = nearest(unknown[0], fields) if fields else "it has no settings"
        raise UsageError(f"{kind.word} {name!r} has no setting {unknown[0]!r}: {has}")
    model: type[BaseModel] = create_model(name, __config__=ConfigDict(arbitrary_types_allowed=True), **fields)
    try:
        settings = model(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{kind.word} {name!r}, setting {first['loc'][0]!r}: {first['msg']}") from None
    return {key: getattr(settings, key) for key in fields}
