"""Nets of the user's own code: `file.py:factory` or `package.module:factory`, imported and called."""

import contextlib
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ..core import user_code
from ..core.errors import PluginError, UsageError, list_known_names
from ..core.files import hash_file
from ..core.settings import check_settings
from . import checkpoints, modules
from .loaded import LoadedModel, compute_fingerprint, fix_seed


def load_user_net(
    name: str, factory: str, settings: dict[str, Any], weights: Path | None, prefix: str = ""
) -> LoadedModel:
    """Load the net that a factory returns, with the weights in a file if one is given.

    `name` is a .py file or a module; the factory's keyword-only parameters are its settings. `prefix` chooses among several
    sets of weights in the file. Raise UsageError for a factory that does not exist, PluginError for one that fails or does not
    return a plain `torch.nn.Module`.
    """
    spec, file = f"{name}:{factory}", Path(name) if name.endswith(".py") else None
    with _extend_import_path(file.parent) if file else _extend_import_path(Path(), keep_modules=True):
        module = user_code.import_file(file) if file else _import_module(name)
        net = modules.unwrap(_call_factory(module, spec, factory, settings))
    source = _find_file(module)
    code = _compute_code_fingerprint(name, file) if source else ""
    modules.check_module(net, f"{spec} returns")
    modules.undo_compilation(net)
    if weights is None:
        net.float()
        note = "its weights are those that its factory sets: weights=FILE loads others"
        return LoadedModel(net, compute_fingerprint(net), code=code, file=source, notes=(note,))
    selection = checkpoints.select_weights(checkpoints.read_weights(weights), net, weights, prefix)
    checkpoints.load_weights(net, selection, spec)
    return LoadedModel(net, hash_file(weights), code=code, file=source, notes=selection.notes)


def _compute_code_fingerprint(name: str, file: Path | None) -> str:
    """Return the SHA-256 of a file or an importable module, and of all that it imports from its own folder or package."""
    finder = ModuleFinder([str(file.parent if file else _find_package_root(name))])
    if file:
        finder.run_script(str(file))
    else:
        with contextlib.suppress(AttributeError):  # of the standard library's finder, at an installed package
            finder.import_hook(name)
    paths = sorted({str(path) for module in finder.modules.values() if (path := getattr(module, "__file__", None))})
    paths = paths or [_find_file(sys.modules[name])]
    return hashlib.sha256(b"".join(Path(path).read_bytes() for path in paths)).hexdigest()


def _find_file(module: ModuleType) -> str:
    """Return the file of a module; empty if it has none, as `sys`."""
    return str(getattr(module, "__file__", None) or "")


def _find_package_root(name: str) -> Path:
    """Return the folder that holds a module's outermost package."""
    module = sys.modules[name]
    levels = name.count(".") + (1 if hasattr(module, "__path__") else 0)
    return Path(str(module.__file__)).resolve().parents[levels]


def _call_factory(module: ModuleType, spec: str, factory: str, settings: dict[str, Any]) -> nn.Module:
    """Return the net that a factory of a module returns; a module's variable that is a net is returned as it is."""
    make = getattr(module, factory, None)
    if make is None:
        raise UsageError(
            f"{spec.rpartition(':')[0]} has no {factory!r}: {list_known_names(factory, _list_public_names(module))}"
        )
    if isinstance(make, nn.Module):
        return make
    if not callable(make):
        raise UsageError(f"{spec} is not a function: name a function that returns a torch.nn.Module")
    arguments = check_settings("net", spec, make, settings) if settings else {}
    with user_code.blame_user_code(f"{spec} fails", _find_file(module)), fix_seed():
        net = make(**arguments)
    if not isinstance(net, nn.Module):
        raise PluginError(f"{spec} returns {type(net).__name__}: a factory returns a torch.nn.Module")
    return net


def _list_public_names(module: ModuleType) -> list[str]:
    defined = [name for name, member in vars(module).items() if getattr(member, "__module__", "") == module.__name__]
    return [name for name in defined if not name.startswith("_")] or ["nothing of its own"]


def _import_module(name: str) -> ModuleType:
    with user_code.blame_user_code(f"{name} cannot be imported", ""):
        if _find_module(name) is not None:
            return importlib.import_module(name)
    raise UsageError(f"there is no module {name} in this folder or installed")


def _find_module(name: str) -> ModuleSpec | None:
    """Return the spec of a module; None if the module or a package around it does not exist. The packages are imported."""
    package_name = name.rpartition(".")[0]
    if package_name:
        package = _find_module(package_name)
        if package is None or package.submodule_search_locations is None:
            return None
    return importlib.util.find_spec(name)


@contextlib.contextmanager
def _extend_import_path(folder: Path, *, keep_modules: bool = False) -> Iterator[None]:
    """Put a folder first on the import path inside the block, as when Python runs a script in it.

    Unless modules are kept, those imported from the folder are forgotten afterwards, so that another net's folder may hold
    modules of the same names.
    """
    root, modules_before = folder.resolve(), set(sys.modules)
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(root))
        for name in [] if keep_modules else sys.modules.keys() - modules_before:
            stem = root.joinpath(*name.split("."))
            if getattr(sys.modules[name], "__file__", None) in (f"{stem}.py", str(stem / "__init__.py")):
                del sys.modules[name]
