"""Nets of the user's own code: `file.py:factory` or `package.module:factory`, run because they asked for it."""

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from ..core import user_code
from ..core.errors import UsageError, nearest
from ..core.files import sha256
from ..core.settings import checked
from . import checkpoints
from .loaded import Made, fingerprint, seeded


def made(name: str, factory: str, settings: dict[str, Any], weights: Path | None) -> Made:
    """What a factory gives, with weights from a file if one is named. Its keyword-only parameters are its settings."""
    file = Path(name) if name.endswith(".py") else None
    with _importable(file.parent) if file else _importable(Path(), kept=True):
        module = user_code.from_file(file) if file else _imported(name)
        net = _net(module, f"{name}:{factory}", factory, settings)
    code = _code(name, file) if module.__file__ else ""
    net = net.module if isinstance(net, nn.DataParallel) else net
    _check(net, f"{name}:{factory}")
    if weights is None:
        net.float()
        said = "no file of weights is named: they are as its factory makes them"
        return Made(net, fingerprint(net), code=code, notes=(said,))
    checkpoints.fit(net, checkpoints.read(weights), weights, f"{name}:{factory}")
    return Made(net, sha256(weights), code=code)


def _check(net: nn.Module, spec: str) -> None:
    """Raises UsageError for a module whose weights are not there to be read, changed or cut."""
    if isinstance(net, torch.jit.ScriptModule):
        raise UsageError(
            f"{spec} gives a compiled module (torch.jit), which cannot be cut: give the module it was made of"
        )
    for name, weight in net.state_dict().items():
        if isinstance(weight, UninitializedParameter | UninitializedBuffer):
            raise UsageError(
                f"{spec} gives a lazy module: run it once on an image in the factory, so that {name} has a shape"
            )
        if not isinstance(weight, Tensor):
            raise UsageError(f"{spec} gives a quantised module ({name} is no tensor): give the module it was made of")
        if weight.is_meta:
            raise UsageError(
                f"{spec} gives weights without values ({name} is on the device meta): make them on the CPU"
            )


def _code(name: str, file: Path | None) -> str:
    """The fingerprint of a file, or of an importable module, and of all that it imports from its own folder or package."""
    finder = ModuleFinder([str(file.parent if file else _root(name))])
    if file:
        finder.run_script(str(file))
    else:
        finder.import_hook(name)
    files = sorted({str(file) for found in finder.modules.values() if (file := getattr(found, "__file__", None))})
    return hashlib.sha256(b"".join(Path(one).read_bytes() for one in files)).hexdigest()


def _root(name: str) -> Path:
    """The folder in which a module's outermost package lies."""
    module = sys.modules[name]
    levels = name.count(".") + (1 if hasattr(module, "__path__") else 0)
    return Path(str(module.__file__)).resolve().parents[levels]


def _net(module: ModuleType, spec: str, factory: str, settings: dict[str, Any]) -> nn.Module:
    make = getattr(module, factory, None)
    if make is None:
        raise UsageError(f"{spec.rpartition(':')[0]} has no {factory!r}: {nearest(factory, _callables(module))}")
    if isinstance(make, nn.Module):
        return make
    if not callable(make):
        raise UsageError(f"{spec} is no function that makes a net")
    with user_code.blamed(f"{spec} fails", str(module.__file__)), seeded():
        net = make(**checked("net", spec, make, settings)) if settings else make()
    if not isinstance(net, nn.Module):
        raise UsageError(f"{spec} gives {type(net).__name__}: a factory gives a torch.nn.Module")
    return net


def _callables(module: ModuleType) -> list[str]:
    own = [name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__]
    return [name for name in own if not name.startswith("_")] or ["nothing of its own"]


def _imported(name: str) -> ModuleType:
    try:
        with user_code.blamed(f"{name} cannot be imported", ""):
            return importlib.import_module(name)
    except UsageError as error:
        if isinstance(error.__cause__, ModuleNotFoundError) and name.startswith(str(error.__cause__.name)):
            raise UsageError(f"there is no module {name}, here or installed") from None
        raise


@contextlib.contextmanager
def _importable(folder: Path, *, kept: bool = False) -> Iterator[None]:
    """What lies beside the user's file can be imported by it, as when Python runs it; if not kept, by no other of theirs."""
    beside, before = folder.resolve(), set(sys.modules)
    sys.path.insert(0, str(beside))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(beside))
        for name in [] if kept else sys.modules.keys() - before:
            stem = beside.joinpath(*name.split("."))
            if getattr(sys.modules[name], "__file__", None) in (f"{stem}.py", str(stem / "__init__.py")):
                del sys.modules[name]
