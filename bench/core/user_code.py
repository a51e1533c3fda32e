"""The user's own files, run because they asked: what they raise is for them, in words."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

from .errors import NotApplicable, UsageError, cause

PACKAGE = __package__.partition(".")[0]  # cambench


@contextmanager
def blamed(said: str, file: str) -> Iterator[None]:
    """The user's code, run because they asked: whatever it raises is for them, as a UsageError with the line of their file."""
    try:
        yield
    except (NotApplicable, UsageError):
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(f"{said}: {cause(error, file)}") from error


def from_file(path: Path) -> ModuleType:
    """A module made of a user's file, from its source whatever Python has cached of it, so that the fingerprint is its own."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    with blamed(f"{path} cannot be read", str(path)):
        source = path.read_bytes()
    return _module(path, source)


@cache
def _module(path: Path, source: bytes) -> ModuleType:
    module = ModuleType(f"{PACKAGE}_user_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up
    try:
        with blamed(f"{path} cannot be imported", str(path)):
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except UsageError:
        sys.modules.pop(module.__name__, None)
        raise
    vars(module)["__fingerprint__"] = hashlib.sha256(source).hexdigest()
    return module
