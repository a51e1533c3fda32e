"""Runs the user's own Python files and reports what they raise in one sentence."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType

from .errors import BenchError, NotApplicable, PluginError, UsageError, describe_error

PACKAGE = __package__.partition(".")[0]  # cambench


@contextmanager
def blame_user_code(failure: str, file: str, *, may_refuse: bool = False) -> Iterator[None]:
    """Turn what the user's code raises into a PluginError: `failure`, then the line of `file` and the exception.

    The message of a UsageError is kept, because the user's code raised it on purpose. The other errors of cambench pass
    unchanged, and so does NotApplicable if `may_refuse`.
    """
    try:
        yield
    except UsageError as error:
        raise PluginError(f"{failure}: {error}") from error
    except BenchError:
        raise
    except NotApplicable as reason:
        if may_refuse:
            raise
        raise PluginError(f"{failure}: {describe_error(reason, file)}") from reason
    except (Exception, SystemExit) as error:
        raise PluginError(f"{failure}: {describe_error(error, file)}") from error


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
    module = ModuleType(f"{PACKAGE}_user_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up
    try:
        with blame_user_code(f"{path} cannot be imported", str(path)):
            exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    except BenchError:
        sys.modules.pop(module.__name__, None)
        raise
    vars(module)["__fingerprint__"] = hashlib.sha256(source).hexdigest()
    return module
