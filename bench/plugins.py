"""A folder is a registry: methods, metrics, data sets and reports, found by file name.

A plug-in is asked for by a spec: `grad_cam`, `score_cam[fill=black]`, `pytorch_grad_cam:ScoreCAM` (short for
its first setting, `[variant=ScoreCAM]`), or the path of a Python file, `./my_cam.py`. Installed packages offer plug-ins
through the entry points `cambench.methods`, `cambench.metrics`, `cambench.datasets` and `cambench.reports`.
"""

import ast
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UsageError, nearest
from .settings import checked

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
        return _first_line(self.module)

    @property
    def control(self) -> bool:
        """Whether a method is there to be beaten: it declares CONTROL = True."""
        return bool(getattr(self.module, "CONTROL", False))

    @property
    def version(self) -> int:
        return int(getattr(self.module, "VERSION", 1))


def names(kind: Kind) -> list[str]:
    """The names of a kind: files of its folder (none that begins with an underscore), then entry points."""
    files = sorted(path.stem for path in (ROOT / kind.folder).glob("*.py") if not path.stem.startswith("_"))
    return files + sorted(entry.name for entry in _offered(kind) if entry.name not in files)


def find(kind: Kind, spec: str, seed: int | None = None) -> Plugin:
    """The plug-in that a spec asks for, with a seed if it takes one and the spec sets none.

    Raises UsageError for an unknown name, setting, or value.
    """
    name, short, chosen = _parse(kind, spec)
    module = _from_file(Path(name)) if name.endswith(".py") else _by_name(kind, name)
    stem = Path(name).stem if name.endswith(".py") else name
    label = stem + (f":{short}" if short else "")
    if chosen:
        label += f"[{','.join(f'{key}={value}' for key, value in sorted(chosen.items()))}]"
    return _made(kind, label, stem, module, chosen | ({_first(kind, stem, module): short} if short else {}), seed)


def description(kind: Kind, name: str) -> str:
    """What a plug-in says of itself, whatever settings it needs."""
    return _first_line(_by_name(kind, name))


def open_folder(kind: Kind, path: str, seed: int | None = None) -> Plugin:
    """The plug-in that opens folders (it declares FOLDER = True), with a folder for its path."""
    for name in names(kind):
        module = _by_name(kind, name)
        if getattr(module, "FOLDER", False):
            return _made(kind, path, name, module, {"path": path}, seed)
    raise UsageError(f"there is no {kind.word} that opens folders")


def split(text: str) -> list[str]:
    """The specs of a comma-separated list; commas inside brackets do not part them."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n")[0]


def _made(kind: Kind, label: str, name: str, module: ModuleType, chosen: dict[str, Any], seed: int | None) -> Plugin:
    function = _function(kind, name, module)
    if seed is not None and "seed" in inspect.signature(function).parameters:
        chosen = {"seed": seed} | chosen
    return Plugin(label, name, module, function, checked(kind.word, name, function, chosen))


def _function(kind: Kind, name: str, module: ModuleType) -> Callable[..., Any]:
    function: Callable[..., Any] | None = getattr(module, kind.function, None)
    if function is None:
        raise UsageError(f"{name} is no {kind.word}: it has no function {kind.function}()")
    return function


def _first(kind: Kind, name: str, module: ModuleType) -> str:
    """The first setting: what `name:value` is short for."""
    for parameter in inspect.signature(_function(kind, name, module)).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            return parameter.name
    raise UsageError(f"{kind.word} {name!r} has no settings")


def _parse(kind: Kind, spec: str) -> tuple[str, str | None, dict[str, Any]]:
    match = re.fullmatch(r"(?P<name>[^\[\]:]+?)(:(?P<short>\w+))?(\[(?P<settings>[^\[\]]*)\])?", spec.strip())
    if match is None:
        raise UsageError(f"{spec!r} names no {kind.word}: write name, name:value or name[setting=value,...]")
    chosen: dict[str, Any] = {}
    for part in split(match["settings"] or ""):
        key, equals, value = part.partition("=")
        if not equals:
            raise UsageError(f"{spec!r}: {part!r} sets nothing: write setting=value")
        chosen[key.strip()] = _value(value.strip())
    return match["name"].strip(), match["short"], chosen


def _value(text: str) -> Any:
    try:
        return ast.literal_eval({"true": "True", "false": "False"}.get(text, text))
    except (ValueError, SyntaxError):
        return text


def _by_name(kind: Kind, name: str) -> ModuleType:
    if "/" in name and kind is DATASET:
        raise UsageError(f"there is no folder {name}")
    if name.startswith("_") or name not in names(kind):
        raise UsageError(f"there is no {kind.word} {name!r}: {nearest(name, names(kind))}")
    if (ROOT / kind.folder / f"{name}.py").exists():
        return importlib.import_module(f"{PACKAGE}.{kind.folder.replace('/', '.')}.{name}")
    module: ModuleType = next(entry for entry in _offered(kind) if entry.name == name).load()
    return module


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
