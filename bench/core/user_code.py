"""Runs the user's own Python files and reports what they raise in one sentence."""

import hashlib
import sys
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from types import ModuleType

from .errors import BenchError, NotApplicable, PluginError, UsageError, describe_error, read_message
from .process_state import KeepModes

PACKAGE = __package__.partition(".")[0]  # cambench


class _Blame(KeepModes):
    """See `blame_user_code`. A class, because a context manager of a generator costs twice the time."""

    def __init__(self, failure: str, file: str, *, may_refuse: bool) -> None:
        self._failure, self._file, self._may_refuse = failure, file, may_refuse

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object, /) -> None:
        super().__exit__(kind, error, trace)
        if error is None or isinstance(error, KeyboardInterrupt):
            return
        if isinstance(error, UsageError):
            raise PluginError(f"{self._failure}: {read_message(error)}") from error
        if not isinstance(error, BenchError) and not (self._may_refuse and isinstance(error, NotApplicable)):
            raise PluginError(f"{self._failure}: {describe_error(error, self._file)}") from error
        if error.args != ((text := read_message(error)),) or not text:  # what it says cannot be stored
            own_class = next(parent for parent in type(error).__mro__ if parent.__module__ == BenchError.__module__)
            raise own_class(text or "no reason is given") from error


def blame_user_code(failure: str, file: str, *, may_refuse: bool = False) -> AbstractContextManager[None]:
    """Turn what the user's code raises into a PluginError: `failure`, then the line of `file` and the exception.

    The message of a UsageError is kept, because the user's code raised it on purpose. The other errors of cambench pass
    unchanged, and so does NotApplicable if `may_refuse`. What the code changes in the process is put back.
    """
    return _Blame(failure, file, may_refuse=may_refuse)


def import_file(path: Path) -> ModuleType:
    """Import a user's file as a module; `__fingerprint__` is the SHA-256 of its source.

    Python's bytecode cache is bypassed, so that the source that runs is the one that is fingerprinted. Raise UsageError for
    a file that does not exist, PluginError for one that cannot be imported.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    with blame_user_code(f"{path} cannot be read", str(path)):
        source = path.read_bytes()
    return _import_source(path, source)


@cache
def _import_source(path: Path, source: bytes) -> ModuleType:
    name = f"{PACKAGE}_user_{path.stem}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses and pickles look their module up
    try:
        with blame_user_code(f"{path} cannot be imported", str(path)):
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except BenchError:
        sys.modules.pop(name, None)
        raise
    fingerprint = hashlib.sha256(source).hexdigest()
    vars(module).update(__name__=name, __file__=str(path), __fingerprint__=fingerprint)  # whatever the code has set
    return module
