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
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from . import specs
from .declarations import DEFAULTS, Direction, read_declarations
from .errors import MissingLibrary, PluginError, UsageError, clean, list_known_names
from .settings import SEED, check_settings, check_stored
from .user_code import blame_user_code, import_file

PACKAGE = __package__.partition(".")[0]  # cambench
ROOT = Path(__file__).parents[2]
_NO_BLAME = nullcontext()


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: its name, its folder, the function that every plug-in of the kind defines, and its parameters."""

    word: str
    folder: str
    function: str
    parameters: tuple[str, ...]
    stored: bool = False  # whether records hold the settings
    may_refuse: bool = False  # whether NotApplicable is an answer


METHOD = Kind("method", "methods", "explain", ("net", "images", "targets"), stored=True, may_refuse=True)
REFERENCE = Kind("reference", "references", "compare", ("net", "images", "targets"))
METRIC = Kind("metric", "bench/metrics", "score", ("case",), stored=True, may_refuse=True)
DATASET = Kind("dataset", "datasets", "load", (), stored=True)
REPORT = Kind("report", "reports", "render", ("run",))
ENGINE = Kind("engine", "bench/engines", "work", ("plan", "writer"))
SEEDS = "seeds"  # the fourth parameter of a method that draws random numbers


@dataclass(frozen=True)
class Plugin:
    """A plug-in with its settings. Calling it calls the function of its kind with these settings.

    The properties below say what the file declares, which was checked when it was loaded.
    """

    spec: str  # as records name it: the name and the settings that were set
    name: str
    module: ModuleType
    function: Callable[..., Any]
    settings: dict[str, Any] = field(default_factory=dict)  # all of them, defaults included
    declared: dict[str, Any] = field(default_factory=dict)  # by name, without what is left to its default
    foreign: bool = False  # whether the code is not this suite's: a user's own file, or an installed package
    may_refuse: bool = True  # see Kind

    def __call__(self, *arguments: Any) -> Any:
        """Call the plug-in. What foreign code raises becomes a PluginError that names the line."""
        with self.blame():
            return self.function(*arguments, **self.settings)

    def blame(self) -> AbstractContextManager[None]:
        """Turn what foreign code raises into a PluginError. A bug of the suite's own file shows its traceback."""
        if not self.foreign:
            return _NO_BLAME
        return blame_user_code(f"{self.name}.py fails", self.file, may_refuse=self.may_refuse)

    # Any plug-in

    @property
    def is_users_own(self) -> bool:
        """Whether the code is not this suite's: foreign, or a function of the user's program, whose errors pass as they are."""
        return self.foreign or not self.module.__name__.startswith(f"{PACKAGE}.")

    @property
    def file(self) -> str:
        """The file that defines the plug-in; empty if there is none."""
        return str(vars(self.module).get("__file__") or "")

    @property
    def description(self) -> str:
        """The first line of the docstring."""
        return _read_first_line(self.module.__doc__)

    @property
    def version(self) -> int:
        """VERSION: raised whenever the plug-in's numbers change (default 1)."""
        return int(self._read("VERSION"))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of a user's own file; empty for what ships with the suite or with an installed package."""
        return str(vars(self.module).get("__fingerprint__", ""))

    @property
    def requires(self) -> tuple[str, ...]:
        """REQUIRES: the module, or a tuple of the modules, that must be installed (default none)."""
        required = self._read("REQUIRES")
        return (required,) if isinstance(required, str) else tuple(required)

    @property
    def stored_settings(self) -> dict[str, Any]:
        """The settings as a record holds them: a tuple is a list there."""
        settings: dict[str, Any] = json.loads(json.dumps(self.settings))
        return settings

    # Methods

    @property
    def control(self) -> bool:
        """CONTROL: whether the method is a baseline that any useful method should beat (default False)."""
        return bool(self._read("CONTROL"))

    @property
    def takes_seeds(self) -> bool:
        """Whether the method draws random numbers: its fourth parameter, `seeds`, is then a number for each image."""
        return SEEDS in inspect.signature(self.function).parameters

    @property
    def class_blind(self) -> bool:
        """CLASS_BLIND: whether the map is the same for every target (default False)."""
        return bool(self._read("CLASS_BLIND"))

    @property
    def expensive(self) -> bool:
        """EXPENSIVE: whether an explanation takes dozens of forward passes or more; `bench run --time` computes it last."""
        return bool(self._read("EXPENSIVE"))

    # Metrics

    @property
    def better(self) -> Direction:
        """BETTER: `higher` or `lower`, or this by the value of one setting: {"order": {"morf": "lower", ...}}. Required."""
        declared = self._read("BETTER")
        if isinstance(declared, str):
            direction: Direction | None = declared  # type: ignore[assignment]  # checked when it was declared
        else:
            ((setting, by_value),) = declared.items()
            chosen = self.settings.get(setting)
            direction = next((given for value, given in by_value.items() if value == chosen), None)
        if direction is None:
            raise PluginError(f"metric {self.spec}: BETTER gives no direction for the value {chosen!r} of {setting!r}")
        return direction

    @property
    def unit(self) -> str:
        """UNIT: the unit of a value, in words. Required.

        "yes or no" declares a binary metric: its values are 0 or 1, and it is judged by tests for rates.
        """
        return str(self._read("UNIT"))

    @property
    def bounds(self) -> tuple[float, float]:
        """RANGE: the lowest and the highest possible score; infinite if there is no bound. Required."""
        low, high = self._read("RANGE")
        return low, high

    @property
    def short(self) -> str:
        """SHORT: the column head in tables, at most seven characters. Required."""
        return str(self._read("SHORT"))

    @property
    def slack(self) -> float | None:
        """SLACK: the difference of two means that still counts as equal, in the metric's unit (default: see slack.py)."""
        slack: float | None = self._read("SLACK")
        return slack

    @property
    def family(self) -> str:
        """FAMILY: the group under which reports list the metric (default none)."""
        return str(self._read("FAMILY"))

    @property
    def caveat(self) -> str:
        """CAVEAT: a sentence on what the metric misses, shown in reports (default none)."""
        return str(self._read("CAVEAT"))

    @property
    def axes(self) -> tuple[str, ...]:
        """AXES: what the axes of the metric's curve show, across and up (default: the target's score by replaced pixels)."""
        return tuple(self._read("AXES"))

    @property
    def needs(self) -> tuple[str, ...]:
        """NEEDS: what a score needs besides the map, of `object`, `other object` and `method` (default none)."""
        return tuple(self._read("NEEDS"))

    @property
    def ties_of(self) -> str:
        """TIES_OF: the metric, with settings that it must have, of which this one measures the effect of ties (default none).

        A value says how much the order of equal pixels moves the other metric's value on an image, in that metric's unit.
        """
        return str(self._read("TIES_OF"))

    # Data sets

    @property
    def thread_safe(self) -> bool:
        """THREAD_SAFE: whether several threads may read images at once (default False)."""
        return bool(self._read("THREAD_SAFE"))

    # Reports and engines

    @property
    def page(self) -> Callable[..., Any] | None:
        """page(runs, files): reports several runs together, and writes figures and tables into the folder `files`."""
        function = self._read("page")
        return function and replace(self, function=function, settings={})

    @property
    def environment(self) -> dict[str, str]:
        """ENVIRONMENT: entries of a run's recorded environment that an engine sets, such as its number of threads."""
        return dict(self._read("ENVIRONMENT"))

    @property
    def concurrent(self) -> bool:
        """CONCURRENT: whether an engine computes several groups of images at the same time (default False)."""
        return bool(self._read("CONCURRENT"))

    def _read(self, attribute: str) -> Any:
        return self.declared.get(attribute, DEFAULTS[attribute])


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


def open_folder(kind: Kind, path: str, seed: int | None = None, settings: dict[str, Any] | None = None) -> Plugin:
    """Return the plug-in that opens folders, with `path` as its folder, and other settings of it."""
    name, module = find_folder_opener(kind)
    spec = specs.Spec(path, None, settings or {})
    return _create(kind, name, module, spec=spec.label(path), settings={"path": path} | spec.settings, seed=seed)


def find_folder_opener(kind: Kind) -> tuple[str, ModuleType]:
    """Find the name and the module of the plug-in that opens folders: it declares FOLDER = True and defines photo()."""
    for name in list_names(kind):
        module = _import_by_name(kind, name)
        if vars(module).get("FOLDER") is True:
            return name, module
    raise UsageError(f"there is no {kind.word} that opens folders")


def _read_first_line(docstring: object) -> str:
    return clean(docstring.strip().partition("\n")[0]) if isinstance(docstring, str) else ""


def _create(
    kind: Kind, name: str, module: ModuleType, *, spec: str, settings: dict[str, Any], seed: int | None
) -> Plugin:
    """Create a plug-in with checked declarations and settings. `seed` is one of them if the function takes it."""
    function = _find_function(kind, name, module)
    foreign = not vars(module)["__name__"].startswith(f"{PACKAGE}.")
    plugin = Plugin(spec, name, module, function, foreign=foreign, may_refuse=kind.may_refuse)
    with plugin.blame():
        plugin = replace(plugin, declared=read_declarations(kind.word, name, module))
    _check_libraries(f"{kind.word} {name}", plugin)
    if seed is not None and SEED in inspect.signature(function).parameters:
        settings = {SEED: seed} | settings
    plugin = replace(plugin, settings=check_settings(kind.word, name, function, settings))
    if kind.stored:
        check_stored(kind.word, name, plugin.settings, settings)
    if kind is METRIC:
        _ = plugin.better  # raises PluginError for a setting that it does not know
    return plugin


def _find_function(kind: Kind, name: str, module: ModuleType) -> Callable[..., Any]:
    """Find the function of a plug-in. Raise PluginError if there is none, or one with other parameters."""
    function: Callable[..., Any] | None = vars(module).get(kind.function)
    if not callable(function):
        raise PluginError(f"{name} is not a {kind.word}: it has no function {kind.function}()")
    check_function(kind, name, function)
    return function


def check_function(kind: Kind, name: str, function: Callable[..., Any]) -> None:
    """Raise PluginError for a function that does not have the parameters of its kind of plug-in."""
    if inspect.iscoroutinefunction(function):
        raise PluginError(f"{name} is not a {kind.word}: its function is asynchronous, and nothing awaits it")
    try:
        signature = inspect.signature(function)
        keywords = [each.name for each in signature.parameters.values() if each.kind is each.KEYWORD_ONLY]
        signature.bind(
            *kind.parameters, *((SEEDS,) if SEEDS in signature.parameters else ()), **dict.fromkeys(keywords)
        )
    except (TypeError, ValueError):
        expected = f"{kind.function}({', '.join(kind.parameters)})"
        raise PluginError(f"{name} is not a {kind.word}: its function cannot be called as {expected}") from None


def _check_libraries(label: str, plugin: Plugin) -> None:
    """Raise MissingLibrary if a required library is not installed; EXTRA names the extra that installs it."""
    for library in plugin.requires:
        if not _is_installed(library.partition(".")[0]):
            extra = plugin.declared.get("EXTRA")
            how = f": pip install '{PACKAGE}[{extra}]'" if extra else ", which is not installed"
            raise MissingLibrary(f"{label} needs the library {library}{how}")


def _is_installed(library: str) -> bool:
    try:
        module_spec = importlib.util.find_spec(library)
    except ValueError:  # a module that was made, not imported
        return False
    # a mere folder, such as this checkout's datasets/, is no library
    return module_spec is not None and module_spec.origin is not None


def _find_first_setting(kind: Kind, name: str, module: ModuleType) -> str:
    """Find the setting that `name:value` sets."""
    for parameter in inspect.signature(_find_function(kind, name, module)).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            return parameter.name
    raise UsageError(f"{kind.word} {name!r} has no settings")


def _import_by_name(kind: Kind, name: str) -> ModuleType:
    if _find_shipped_file(kind, name):
        return importlib.import_module(f"{PACKAGE}.{kind.folder.replace('/', '.')}.{name}")
    entry = _find_entry_point(kind, name)
    with blame_user_code(f"{kind.word} {name} cannot be imported", ""):
        module = entry.load()
    if not isinstance(module, ModuleType):
        raise PluginError(f"{kind.word} {name}: its entry point names no module")
    return module


def _find_shipped_file(kind: Kind, name: str) -> Path | None:
    file = ROOT / kind.folder / f"{name}.py"
    return file if "/" not in name and not name.startswith("_") and file.exists() else None


def _find_entry_point(kind: Kind, name: str) -> EntryPoint:
    """Find the entry point of an installed package. Raise UsageError for the name of no plug-in."""
    for entry in _list_entry_points(kind):
        if entry.name == name and not name.startswith("_"):
            return entry
    folder = ", or a folder of images" if kind is DATASET else ""
    known = list_known_names(name, list_names(kind), name_own_file(name))
    raise UsageError(f"there is no {kind.word} {name!r}: {known}{folder}")


def name_own_file(name: str) -> str:
    """Name the file of a user's own plug-in as commands take it: ./my_cam.py of my_cam."""
    return f"{name}.py" if "/" in name else f"./{name}.py"


def _list_entry_points(kind: Kind) -> EntryPoints:
    return entry_points(group=f"{PACKAGE}.{kind.folder.rpartition('/')[2]}")
