"""The plug-in registry: methods, metrics, data sets, reports, reference libraries and engines, found by file name.

A spec names a plug-in: `grad_cam`, `score_cam[fill=black]`, `pytorch_grad_cam:ScoreCAM` (short for
its first setting, `[variant=ScoreCAM]`), or the path of a Python file, `./my_cam.py`. Installed packages offer plug-ins
through the entry points `cambench.methods`, `cambench.metrics`, `cambench.datasets`, `cambench.reports`,
`cambench.references` and `cambench.engines`.
"""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from . import specs
from .errors import MissingLibrary, PluginError, UsageError, list_known_names
from .settings import check_settings
from .user_code import blame_user_code, import_file

PACKAGE = __package__.partition(".")[0]  # cambench
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: its name, its folder, and the function that every plug-in of the kind defines."""

    word: str
    folder: str
    function: str


METHOD = Kind("method", "methods", "explain")
REFERENCE = Kind("reference", "references", "compare")
METRIC = Kind("metric", "bench/metrics", "score")
DATASET = Kind("dataset", "datasets", "load")
REPORT = Kind("report", "reports", "render")
ENGINE = Kind("engine", "bench/engines", "work")

# What a plug-in may define besides the one function of its kind. The properties of Plugin say what each means.
ATTRIBUTES = {
    "any": ("VERSION", "REQUIRES", "EXTRA"),
    "method": ("CONTROL", "CLASS_BLIND"),
    "metric": ("BETTER", "UNIT", "RANGE", "SHORT", "SLACK", "FAMILY", "CAVEAT", "NEEDS"),
    "dataset": ("FOLDER", "THREAD_SAFE", "photo"),
    "report": ("page",),
    "engine": ("ENVIRONMENT",),
    "reference": (),
}
NEEDS = ("object", "other object", "method")  # what a metric may need besides the map


@dataclass(frozen=True)
class Plugin:
    """A plug-in with its settings. Calling it calls the function of its kind with these settings.

    The properties below read what the file declares. Each raises PluginError for a value of the wrong type.
    """

    spec: str  # as records name it: the name and the settings that were set
    name: str
    module: ModuleType
    function: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)  # all of them, defaults included

    def __call__(self, *arguments: Any) -> Any:
        """Call the plug-in. What a user's own file raises becomes a PluginError that names the line."""
        with self.blame():
            return self.function(*arguments, **self.settings)

    def blame(self) -> AbstractContextManager[None]:
        """Turn what a user's own file raises into a PluginError. A bug of the suite's own file shows its traceback."""
        if not self.fingerprint:
            return nullcontext()
        return blame_user_code(f"{self.name}.py fails", str(self.module.__file__), may_refuse=True)

    # Any plug-in

    @property
    def description(self) -> str:
        """The first line of the docstring."""
        return _read_first_line(self.module.__doc__)

    @property
    def version(self) -> int:
        """VERSION: raised whenever the plug-in's numbers change (default 1)."""
        return int(self._read("VERSION", int, 1))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of a user's own file; empty for what ships with the suite or with an installed package."""
        return str(getattr(self.module, "__fingerprint__", ""))

    @property
    def requires(self) -> tuple[str, ...]:
        """REQUIRES: the module, or a tuple of the modules, that must be installed (default none)."""
        return _list_required(self.module)

    # Methods

    @property
    def control(self) -> bool:
        """CONTROL: whether the method is a baseline that any useful method should beat (default False)."""
        return bool(self._read("CONTROL", bool, False))

    @property
    def takes_seeds(self) -> bool:
        """Whether the method draws random numbers: its fourth parameter, `seeds`, is then a number for each image."""
        return "seeds" in inspect.signature(self.function).parameters

    @property
    def class_blind(self) -> bool:
        """CLASS_BLIND: whether the map is the same for every target (default False)."""
        return bool(self._read("CLASS_BLIND", bool, False))

    # Metrics

    @property
    def better(self) -> Literal["higher", "lower"]:
        """BETTER: `higher` or `lower`, or this by the value of one setting: {"order": {"morf": "lower", ...}}. Required."""
        direction = self._read("BETTER", (str, dict))
        if isinstance(direction, dict):
            ((setting, by_value),) = direction.items()
            direction = by_value.get(self.settings[setting])
        if direction not in ("higher", "lower"):
            raise PluginError(f"metric {self.spec}: BETTER is 'higher' or 'lower', not {direction!r}")
        better: Literal["higher", "lower"] = direction
        return better

    @property
    def unit(self) -> str:
        """UNIT: the unit of a value, in words. Required.

        "yes or no" declares a binary metric: its values are 0 or 1, and it is judged by tests for rates.
        """
        return str(self._read("UNIT", str))

    @property
    def bounds(self) -> tuple[float, float]:
        """RANGE: the lowest and the highest possible score; infinite if there is no bound. Required."""
        low, high = self._read("RANGE", (tuple, list))
        return low, high

    @property
    def short(self) -> str:
        """SHORT: the column head in tables, at most seven characters. Required."""
        return str(self._read("SHORT", str))

    @property
    def slack(self) -> float | None:
        """SLACK: the difference of two means that still counts as equal, in the metric's unit (default: see slack.py)."""
        slack: float | None = self._read("SLACK", (int, float), None)
        return slack

    @property
    def family(self) -> str:
        """FAMILY: the group under which reports list the metric (default none)."""
        return str(self._read("FAMILY", str, ""))

    @property
    def caveat(self) -> str:
        """CAVEAT: a sentence on what the metric misses, shown in reports (default none)."""
        return str(self._read("CAVEAT", str, ""))

    @property
    def needs(self) -> tuple[str, ...]:
        """NEEDS: what a score needs besides the map, of `object`, `other object` and `method` (default none)."""
        return tuple(self._read("NEEDS", (tuple, list), ()))

    # Data sets

    @property
    def thread_safe(self) -> bool:
        """THREAD_SAFE: whether several threads may read images at once (default False)."""
        return bool(self._read("THREAD_SAFE", bool, False))

    # Reports and engines

    @property
    def page(self) -> Callable[..., str] | None:
        """page(runs, files): reports several runs together, and writes figures and tables into the folder `files`."""
        function: Callable[..., str] | None = getattr(self.module, "page", None)
        return function

    @property
    def environment(self) -> dict[str, str]:
        """ENVIRONMENT: entries of a run's recorded environment that an engine sets, such as its number of threads."""
        return dict(self._read("ENVIRONMENT", dict, {}))

    def _read(self, attribute: str, types: type | tuple[type, ...], *default: Any) -> Any:
        """Read an attribute of the module, or its default. Raise PluginError if it is required or of another type."""
        if not hasattr(self.module, attribute):
            if not default:
                raise PluginError(f"metric {self.spec} does not declare {attribute}: see bench/metrics/insertion.py")
            return default[0]
        value = getattr(self.module, attribute)
        if not isinstance(value, types):
            kinds = types if isinstance(types, tuple) else (types,)
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise PluginError(f"{self.name}.py: {attribute} is {value!r}: it is of type {expected}")
        return value


def list_names(kind: Kind) -> list[str]:
    """List the names of a kind: files of its folder (none that begins with an underscore), then entry points."""
    files = sorted(path.stem for path in (ROOT / kind.folder).glob("*.py") if not path.stem.startswith("_"))
    return files + sorted(entry.name for entry in _list_entry_points(kind) if entry.name not in files)


def find(kind: Kind, text: str, seed: int | None = None) -> Plugin:
    """Find the plug-in that a spec names. `seed` is passed on if the plug-in takes one and the spec sets none.

    Raise UsageError for an unknown name or setting, PluginError for a file that is no plug-in of the kind.
    """
    spec = specs.parse(kind.word, text)
    file = Path(spec.name) if spec.name.endswith(".py") else None
    module, name = (import_file(file), file.stem) if file else (_import_by_name(kind, spec.name), spec.name)
    settings = spec.settings | ({_find_first_setting(kind, name, module): spec.short} if spec.short else {})
    return _create(kind, name, module, spec=spec.label(name), settings=settings, seed=seed)


def read_description(kind: Kind, name: str) -> str:
    """Read the first line of a plug-in's docstring from its file, without importing it. Raise UsageError for no plug-in."""
    file = _find_shipped_file(kind, name)
    if file is None:
        entry = _find_entry_point(kind, name)
        module_spec = importlib.util.find_spec(entry.module)
        if module_spec is None or not module_spec.origin:
            raise PluginError(f"{kind.word} {name}: the module of its entry point, {entry.module}, is not there")
        file = Path(module_spec.origin)
    return _read_first_line(ast.get_docstring(ast.parse(file.read_bytes())))


def open_folder(kind: Kind, path: str, seed: int | None = None) -> Plugin:
    """Return the plug-in that opens folders, with `path` as its folder."""
    name, module = find_folder_opener(kind)
    return _create(kind, name, module, spec=path, settings={"path": path}, seed=seed)


def find_folder_opener(kind: Kind) -> tuple[str, ModuleType]:
    """Find the name and the module of the plug-in that opens folders: it declares FOLDER = True and defines photo()."""
    for name in list_names(kind):
        module = _import_by_name(kind, name)
        if getattr(module, "FOLDER", False):
            return name, module
    raise UsageError(f"there is no {kind.word} that opens folders")


def _read_first_line(docstring: str | None) -> str:
    return (docstring or "").strip().partition("\n")[0]


def _create(
    kind: Kind, name: str, module: ModuleType, *, spec: str, settings: dict[str, Any], seed: int | None
) -> Plugin:
    """Create a plug-in with checked settings. `seed` is one of them if the function takes it."""
    function = _find_function(kind, name, module)
    _check_libraries(f"{kind.word} {name}", module)
    if seed is not None and "seed" in inspect.signature(function).parameters:
        settings = {"seed": seed} | settings
    return Plugin(spec, name, module, function, check_settings(kind.word, name, function, settings))


def _find_function(kind: Kind, name: str, module: ModuleType) -> Callable[..., Any]:
    function: Callable[..., Any] | None = getattr(module, kind.function, None)
    if not callable(function):
        raise PluginError(f"{name} is no {kind.word}: it has no function {kind.function}()")
    return function


def _list_required(module: ModuleType) -> tuple[str, ...]:
    required = getattr(module, "REQUIRES", ())
    return (required,) if isinstance(required, str) else tuple(required)


def _check_libraries(plugin: str, module: ModuleType) -> None:
    """Raise MissingLibrary if a required library is not installed; EXTRA names the extra that installs it."""
    for library in _list_required(module):
        module_spec = importlib.util.find_spec(library.partition(".")[0])
        if (
            module_spec is None or module_spec.origin is None
        ):  # a mere folder, such as this checkout's datasets/, is no library
            extra = getattr(module, "EXTRA", None)
            how = f": pip install '{PACKAGE}[{extra}]'" if extra else ", which is not installed"
            raise MissingLibrary(f"{plugin} needs the library {library}{how}")


def _find_first_setting(kind: Kind, name: str, module: ModuleType) -> str:
    """Find the setting that `name:value` sets."""
    for parameter in inspect.signature(_find_function(kind, name, module)).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            return parameter.name
    raise UsageError(f"{kind.word} {name!r} has no settings")


def _import_by_name(kind: Kind, name: str) -> ModuleType:
    if _find_shipped_file(kind, name):
        return importlib.import_module(f"{PACKAGE}.{kind.folder.replace('/', '.')}.{name}")
    module: ModuleType = _find_entry_point(kind, name).load()
    return module


def _find_shipped_file(kind: Kind, name: str) -> Path | None:
    file = ROOT / kind.folder / f"{name}.py"
    return file if "/" not in name and not name.startswith("_") and file.exists() else None


def _find_entry_point(kind: Kind, name: str) -> EntryPoint:
    """Find the entry point of an installed package. Raise UsageError for the name of no plug-in."""
    if "/" in name and kind is DATASET:
        raise UsageError(f"there is no folder {name}")
    for entry in _list_entry_points(kind):
        if entry.name == name and not name.startswith("_"):
            return entry
    own_file = f"{name}.py" if "/" in name else f"./{name}.py"
    raise UsageError(f"there is no {kind.word} {name!r}: {list_known_names(name, list_names(kind), own_file)}")


def _list_entry_points(kind: Kind) -> EntryPoints:
    return entry_points(group=f"{PACKAGE}.{kind.folder.rpartition('/')[2]}")
