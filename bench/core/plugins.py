"""A folder is a registry: methods, metrics, data sets and reports, found by file name.

A plug-in is asked for by a spec: `grad_cam`, `score_cam[fill=black]`, `pytorch_grad_cam:ScoreCAM` (short for
its first setting, `[variant=ScoreCAM]`), or the path of a Python file, `./my_cam.py`. Installed packages offer plug-ins
through the entry points `cambench.methods`, `cambench.metrics`, `cambench.datasets` and `cambench.reports`.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from . import specs
from .errors import Missing, UsageError, nearest
from .settings import checked
from .user_code import blamed, from_file

PACKAGE = __package__.partition(".")[0]  # cambench
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: its word, its folder, and the one function that does its work."""

    word: str
    folder: str
    function: str


METHOD = Kind("method", "methods", "explain")
REFERENCE = Kind("reference", "references", "compare")
METRIC = Kind("metric", "bench/metrics", "score")
DATASET = Kind("dataset", "datasets", "load")
REPORT = Kind("report", "reports", "render")
ENGINE = Kind("engine", "bench/engines", "work")


@dataclass(frozen=True)
class Plugin:
    """A plug-in with its settings: call it with what its kind is handed."""

    spec: str  # as records name it: the name and what was set
    name: str
    module: ModuleType
    function: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)  # all of them, defaults included

    def __call__(self, *arguments: Any) -> Any:
        """Raises UsageError, with the line, for whatever a user's own file raises."""
        if not self.fingerprint:
            return self.function(*arguments, **self.settings)  # a bug of the suite's own shows its traceback
        with blamed(f"{self.name}.py fails", str(self.module.__file__)):
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

    @property
    def fingerprint(self) -> str:
        """The sha256 of a user's own file; empty for what ships with the suite or with an installed package."""
        return str(getattr(self.module, "__fingerprint__", ""))


def names(kind: Kind) -> list[str]:
    """The names of a kind: files of its folder (none that begins with an underscore), then entry points."""
    files = sorted(path.stem for path in (ROOT / kind.folder).glob("*.py") if not path.stem.startswith("_"))
    return files + sorted(entry.name for entry in _offered(kind) if entry.name not in files)


def find(kind: Kind, spec: str, seed: int | None = None) -> Plugin:
    """The plug-in of a spec, with a seed if it takes one and the spec sets none. Raises UsageError for what there is not."""
    asked = specs.parse(kind.word, spec)
    file = Path(asked.name) if asked.name.endswith(".py") else None
    module, name = (from_file(file), file.stem) if file else (_by_name(kind, asked.name), asked.name)
    chosen = asked.chosen | ({_first(kind, name, module): asked.short} if asked.short else {})
    return _made(kind, asked.label(name), name, module, chosen, seed)


def description(kind: Kind, name: str) -> str:
    """What a plug-in says of itself, whatever settings it needs."""
    return _first_line(_by_name(kind, name))


def open_folder(kind: Kind, path: str, seed: int | None = None) -> Plugin:
    """The plug-in that opens folders (it declares FOLDER = True), with a folder for its path."""
    name, module = opener(kind)
    return _made(kind, path, name, module, {"path": path}, seed)


def opener(kind: Kind) -> tuple[str, ModuleType]:
    """The name and the module of the plug-in that opens folders (it declares FOLDER = True)."""
    for name in names(kind):
        module = _by_name(kind, name)
        if getattr(module, "FOLDER", False):
            return name, module
    raise UsageError(f"there is no {kind.word} that opens folders")


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n")[0]


def _made(kind: Kind, label: str, name: str, module: ModuleType, chosen: dict[str, Any], seed: int | None) -> Plugin:
    function = _function(kind, name, module)
    _equipped(f"{kind.word} {name}", module)
    if seed is not None and "seed" in inspect.signature(function).parameters:
        chosen = {"seed": seed} | chosen
    return Plugin(label, name, module, function, checked(kind.word, name, function, chosen))


def _function(kind: Kind, name: str, module: ModuleType) -> Callable[..., Any]:
    function: Callable[..., Any] | None = getattr(module, kind.function, None)
    if not callable(function):
        raise UsageError(f"{name} is no {kind.word}: it has no function {kind.function}()")
    return function


def _equipped(who: str, module: ModuleType) -> None:
    """Raises Missing where a module is missing that a plug-in REQUIRES (a name or several; EXTRA brings them)."""
    required = getattr(module, "REQUIRES", ())
    for library in [required] if isinstance(required, str) else required:
        found = importlib.util.find_spec(library.partition(".")[0])
        if (
            found is None or found.origin is None
        ):  # a mere folder of that name, as this checkout's datasets/, is no library
            extra = getattr(module, "EXTRA", None)
            how = f": pip install '{PACKAGE}[{extra}]'" if extra else ", which is not installed"
            raise Missing(f"{who} needs the library {library}{how}")


def _first(kind: Kind, name: str, module: ModuleType) -> str:
    """The first setting: what `name:value` is short for."""
    for parameter in inspect.signature(_function(kind, name, module)).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            return parameter.name
    raise UsageError(f"{kind.word} {name!r} has no settings")


def _by_name(kind: Kind, name: str) -> ModuleType:
    if "/" in name and kind is DATASET:
        raise UsageError(f"there is no folder {name}")
    if name.startswith("_") or name not in names(kind):
        raise UsageError(f"there is no {kind.word} {name!r}: {nearest(name, names(kind))}")
    if (ROOT / kind.folder / f"{name}.py").exists():
        return importlib.import_module(f"{PACKAGE}.{kind.folder.replace('/', '.')}.{name}")
    return next(entry for entry in _offered(kind) if entry.name == name).load()


def _offered(kind: Kind) -> Any:
    return entry_points(group=f"{PACKAGE}.{kind.folder.rpartition('/')[2]}")
